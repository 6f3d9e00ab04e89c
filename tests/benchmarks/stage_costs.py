"""What a second of video costs in every stage: stage_costs.py VIDEO... [--audio AUDIO] [--threads 1]

Every command dubs, and dd-eval scores, each video and its first `SHORT` seconds. From the two times follow what the
start of a command costs, and what a second of video does. Prints Markdown tables: CPU seconds of a start and per second
of video, peak memory in MB, and bytes on disk per second of video.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.probe import probe

SHORT = 5.0  # seconds
PROGRAMS = Path(sys.executable).parent
STAGES = {
    "dd-prep": "{folder}/video.mp4 -o {folder}/clip.h5",
    "dd-audio": "{audio} -o {folder}/speech.npy",
    "dd-encode": "{folder}/clip.h5 -o {folder}/latents.npy",
    "dd-generate": "{folder}/speech.npy --reference {folder}/latents.npy -o {folder}/motion.npy",
    "dd-render": "{folder}/clip.h5 --latents {folder}/motion.npy --audio {audio} -o {folder}/output.mp4",
    "dd-dub": "{folder}/video.mp4 {audio} -o {folder}/dubbed.mp4",
    "dd-eval": "{folder}/output.mp4 --truth {folder}/video.mp4 --align shortest",
}
FILES = ("clip.h5", "speech.npy", "latents.npy", "motion.npy", "output.mp4")


@dataclass(frozen=True)
class Cost:
    """CPU time and wall-clock time in seconds, and peak memory in MB, of a command."""

    cpu: float
    wall: float
    memory: float


def run(*command: object) -> Cost:
    """Run a command. Its children, such as ffmpeg, count."""
    start = time.monotonic()
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        said = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}\n{said}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss / 1024)


def stages(video: Path, audio: Path, folder: Path, seconds: float) -> dict[str, Cost]:
    """The costs of all stages for the first seconds of a video, whose files are then in the folder."""
    cut = [ffmpeg_path(), "-v", "error", "-y", "-t", seconds]
    run(*cut, "-i", video, "-an", "-c:v", "copy", folder / "video.mp4")
    run(*cut, "-stream_loop", -1, "-i", audio, "-vn", "-ac", 1, folder / "audio.wav")
    names = {"folder": folder, "audio": folder / "audio.wav"}
    return {
        name: run(PROGRAMS / name, *(part.format(**names) for part in arguments.split()), "-q")
        for name, arguments in STAGES.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--audio", type=Path, help="driving audio  [default: that of each video]")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    print("| video | seconds | stage | CPU s of a start | CPU s per s | wall s per s | peak MB |")
    print("|---|--:|---|--:|--:|--:|--:|")
    disk = []
    for video in given.videos:
        info = probe(video)
        with tempfile.TemporaryDirectory() as name:
            short = stages(video, given.audio or video, Path(name), SHORT)
            whole = stages(video, given.audio or video, Path(name), info.duration)
            disk.append((video, [Path(name, file).stat().st_size / info.duration for file in FILES]))
        label = f"{info.width}×{info.height}, {info.frame_rate:g} fps"
        for stage, cost in whole.items():
            rate, wall = (
                (getattr(cost, what) - getattr(short[stage], what)) / (info.duration - SHORT)
                for what in ("cpu", "wall")
            )
            costs = f"{short[stage].cpu - SHORT * rate:.1f} | {rate:.3f} | {wall:.3f} | {cost.memory:.0f}"
            print(f"| {label} | {info.duration:.1f} | {stage} | {costs} |", flush=True)
    print(f"\n| bytes per second | {' | '.join(FILES)} |")
    print(f"|---|{'--:|' * len(FILES)}")
    for video, sizes in disk:
        print(f"| {video.name} | {' | '.join(f'{size:,.0f}' for size in sizes)} |")


if __name__ == "__main__":
    main()
