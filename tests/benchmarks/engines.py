"""What an engine adds to the time of the commands it starts: engines.py [--videos 6] [--seconds 2] [--snakemake FILE]

Stand-ins for the commands sleep for so many seconds, so that nothing but the engines is measured. Plain calls, two at a
time, are the reference; make, Slurm (if it answers) and Snakemake may start two at a time as well. Prints a Markdown
table: seconds in all, seconds per command more than plain calls, and the length of a job from which that is under 3 %.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STAGES = ("dd-prep", "dd-audio", "dd-encode", "dd-generate", "dd-render")
STAND_IN = """#!/bin/sh
sleep {seconds}
while [ $# -gt 1 ]; do
    [ "$1" != -o ] || [ -d "$2" ] || echo made > "$2"
    shift
done
"""
PLAIN = "for stage in {stages}; do seq {videos} | xargs -P 2 -n 1 $stage; done"
SNAKEMAKE = "{snakemake} -s {examples}/snakemake/Snakefile --config list=list.tsv"
ON_SLURM = (
    "--executor slurm --slurm-no-account --slurm-status-command squeue --slurm-init-seconds-before-status-checks 5 "
    "--slurm-array-jobs all --jobs 1000 --default-resources runtime=10 mem_mb=100 --set-resources"
)
LIMITS = " ".join(
    f"{stage}:runtime=10 {stage}:mem_mb=100" for stage in ("prep", "audio", "encode", "generate", "render")
)
ENGINES = {
    "plain calls": PLAIN,
    "make -j2": "make -f {examples}/Makefile -j2 VIDEOS='{names}' VOICES=x.wav OUT=out",
    "Slurm, a command per task": "sh {examples}/slurm/submit.sh list.tsv work {videos} --time=10 --mem=100M && {wait}",
    "Slurm, two tasks": "sh {examples}/slurm/submit.sh list.tsv work 2 --time=10 --mem=100M && {wait}",
    "Snakemake, --cores 2": SNAKEMAKE + " --cores 2",
    "Snakemake on Slurm": f"{SNAKEMAKE} {ON_SLURM} {LIMITS}",
}
WAIT = "while squeue -h -o %Z | grep -qx $PWD; do sleep 0.2; done"


def prepare(folder: Path, videos: int, seconds: float) -> None:
    """Write the stand-ins, the files and the list."""
    (folder / "bin").mkdir()
    for stage in STAGES:
        (folder / "bin" / stage).write_text(STAND_IN.format(seconds=seconds))
        (folder / "bin" / stage).chmod(0o755)
    names = [f"{number}.mp4" for number in range(videos)]
    for name in (*names, "x.wav"):
        (folder / name).touch()
    rows = ["video\taudio\toutput", *(f"{name}\tx.wav\tout/{name}" for name in names)]
    (folder / "list.tsv").write_text("\n".join(rows) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--videos", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--snakemake", default="snakemake")
    given = parser.parse_args()
    commands = 4 * given.videos + 1  # there is one audio file
    plain = None
    print(f"| {commands} commands of {given.seconds:g} s | s | s more per command | 3 % of |")
    print("|---|--:|--:|--:|")
    for name, line in ENGINES.items():
        program = {"Sl": "sbatch", "Sn": given.snakemake, "ma": "make"}.get(name[:2], "sh")
        if shutil.which(program) is None or ("Slurm" in name and shutil.which("sbatch") is None):
            continue
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder), given.videos, given.seconds)
            names = " ".join(f"{number}.mp4" for number in range(given.videos))
            places = {"examples": EXAMPLES, "names": names, "stages": " ".join(STAGES), "wait": WAIT}
            script = line.format(**places, videos=given.videos, snakemake=given.snakemake)
            path = os.pathsep.join([f"{folder}/bin", os.environ["PATH"]])
            start = time.monotonic()
            done = subprocess.run(
                ["sh", "-c", script], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True
            )
            elapsed = time.monotonic() - start
            made = len(list(Path(folder, "out").glob("*.mp4")))
        if name == "plain calls":
            elapsed *= commands / (5 * given.videos)  # it calls every stage for every video
            plain = elapsed
        elif done.returncode or made != given.videos:
            print(f"| {name} | failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]} | | |")
            continue
        more = max(0.0, 2 * (elapsed - plain) / commands)
        print(f"| {name} | {elapsed:.1f} | {more:.2f} | {more / 0.03:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
