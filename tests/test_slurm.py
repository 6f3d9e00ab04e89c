"""The examples on a real Slurm: six short videos, jobs killed at random, and the outputs of a run without kills.

Skipped unless `TEST_SLURM` is set, as the jobs go to the cluster of this machine, which should have nothing else to
do. `SNAKEMAKE` may name the program of Snakemake, which needs its plugin for Slurm.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from both_kinds import write_tiny_models
from factories import dummy_voice
from torture.material import write_talk

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SNAKEMAKE = shutil.which(os.environ.get("SNAKEMAKE", "snakemake"))
KILLS = 8
PATIENCE = 900  # seconds
IDLE = 40  # seconds in which an engine that waits for nothing may submit the next job
PREP = "--size 32"  # of the tiny renderer
SBATCH = ("--time=10", "--mem=1500M")
# Without accounting, sacct does not answer.
SNAKEMAKE_OPTIONS = [
    *(
        "--executor",
        "slurm",
        "--slurm-no-account",
        "--slurm-array-jobs",
        "all",
        "--jobs",
        "100",
        "--latency-wait",
        "20",
    ),
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"),
    *("--default-resources", "runtime=10", "mem_mb=1500", "--set-resources", "render:runtime=10", "prep:runtime=10"),
]


pytestmark = pytest.mark.skipif("TEST_SLURM" not in os.environ, reason="needs a Slurm for tests, and TEST_SLURM=1")


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    """A folder with six short videos, their audio, a list, and tiny weights."""
    folder = tmp_path_factory.mktemp("material")
    for path, name in zip(write_tiny_models(folder, "warp"), ("renderer", "motion"), strict=True):
        path.rename(folder / f"{name}.safetensors")
    rows = ["video\taudio\toutput"]
    for number in range(6):
        voice = dummy_voice(folder / f"{number}.wav", 0.5 + 0.1 * number)
        write_talk(folder / f"{number}.mp4", 12 + number, voice)
        rows.append(f"{number}.mp4\t{(number + 1) % 3}.wav\tout/{number}.mp4")
    (folder / "list.tsv").write_text("\n".join(rows) + "\n")
    return folder


def arrays(folder: Path) -> None:
    """Submit an array for each stage, and wait until all have ended."""
    models = {name.upper(): str(folder / f"{name}.safetensors") for name in ("renderer", "motion")}
    settings = models | {"PREP": PREP}
    command = ["sh", EXAMPLES / "slurm" / "submit.sh", "list.tsv", "work", "3", *SBATCH]
    last = subprocess.run(command, cwd=folder, env=environment() | settings, check=True, capture_output=True, text=True)
    while waiting := jobs(folder):
        time.sleep(0.5)
        for job in waiting:  # Slurm lets a job that is queued again wait for two minutes
            subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=False, capture_output=True)
    assert last.stdout.strip().isdigit()


def workflow(folder: Path) -> None:
    """Run the Snakefile on Slurm. A run that was interrupted leaves the folder locked."""
    models = [f"{name}={name}.safetensors" for name in ("renderer", "motion")]
    command = [SNAKEMAKE, "-s", EXAMPLES / "snakemake" / "Snakefile", *SNAKEMAKE_OPTIONS, "--keep-going"]
    command += ["--rerun-incomplete", "--config", "list=list.tsv", *models, f"prep={PREP}"]
    for last in (["--unlock"], []):
        subprocess.run([*command, *last], cwd=folder, env=environment(), capture_output=True)


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}


def jobs(folder: Path) -> list[str]:
    """The jobs whose working folder this is, each task of an array by itself."""
    listed = subprocess.run(["squeue", "-h", "-r", "-o", "%i %Z"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.split()[1] == str(folder)]


def commands(folder: Path) -> list[int]:
    """The processes of this project that run in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(folder) and b"/dd-" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def strike(folder: Path, chance: random.Random) -> bool:
    """Cancel a job, kill a command, or announce the end of a job. Returns whether there was any."""
    what = chance.choice(["cancel", "kill", "preempt"])
    if what == "kill" and (running := commands(folder)):
        os.kill(chance.choice(running), signal.SIGKILL)
    elif what != "kill" and (queued := jobs(folder)):
        order = ["scancel", *(["--signal=USR1"] if what == "preempt" else []), chance.choice(queued)]
        subprocess.run(order, check=False, capture_output=True)
    else:
        return False
    return True


def run_with_kills(run: Callable[[Path], None], folder: Path, chance: random.Random) -> int:
    """Run until all outputs are there, and strike meanwhile. Returns the number of strikes."""
    strikes, end = 0, time.monotonic() + PATIENCE
    while len(list((folder / "out").glob("*.mp4"))) < 6 or jobs(folder):
        command = [sys.executable, __file__, run.__name__, folder]
        process, busy = subprocess.Popen(command, env=environment(), start_new_session=True), time.monotonic()
        while process.poll() is None:
            assert time.monotonic() < end, "not done in time"
            time.sleep(chance.uniform(0.5, 4))
            strikes += strikes < KILLS and strike(folder, chance)
            busy = time.monotonic() if jobs(folder) else busy
            if time.monotonic() - busy > IDLE:  # without accounting, Snakemake does not notice that a job was cancelled
                os.killpg(process.pid, signal.SIGINT)
                process.wait()
    return strikes


@pytest.mark.parametrize(
    "run", [arrays, pytest.param(workflow, marks=pytest.mark.skipif(SNAKEMAKE is None, reason="needs snakemake"))]
)
def test_outputs_are_those_of_a_run_that_nobody_killed(material, tmp_path, run):
    quiet, struck = tmp_path / "quiet", tmp_path / "struck"
    for folder in (quiet, struck):
        shutil.copytree(material, folder)
    run(quiet)
    expected = {path.name: path.read_bytes() for path in (quiet / "out").glob("*.mp4")}
    assert len(expected) == 6
    assert run_with_kills(run, struck, random.Random(1)) > KILLS / 2
    assert {path.name: path.read_bytes() for path in (struck / "out").glob("*.mp4")} == expected
    assert not [path for path in struck.rglob("*") if path.name.endswith(".parts") or ".part" in path.suffix]


if __name__ == "__main__":
    {"arrays": arrays, "workflow": workflow}[sys.argv[1]](Path(sys.argv[2]))
