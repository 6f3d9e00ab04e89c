"""Does sound stay with the picture for an hour of 29.97 frames a second, written in parts and joined?

    python tests/benchmarks/hour_of_sync.py [MINUTES]

A black film with a white flash and a click every minute; prints how far apart they are in the result, in seconds.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dd_tools.media.audio import read_audio, write_audio
from dd_tools.media.encode import VideoWriter
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.joining import Sound, join
from dd_tools.media.rates import exact_rate
from dd_tools.media.video import read_frames
from dd_tools.renderer.video import PART

RATE, SAMPLE_RATE = exact_rate(29.97), 48000
FLASH = 3  # frames


def write_film(folder: Path, frames: int, marks: list[int]) -> Path:
    """The film: a flash and a click begin at each of the frames `marks`."""
    sound = np.zeros((int(frames / RATE * SAMPLE_RATE), 2), np.float32)
    for mark in marks:
        sound[round(mark / RATE * SAMPLE_RATE) :][:2000] = 0.9
    write_audio(folder / "clicks.wav", sound, SAMPLE_RATE)
    lit = {mark + more for mark in marks for more in range(FLASH)}
    parts = []
    for start in range(0, frames, PART):
        path = folder / f"{start:08d}.mp4"
        with VideoWriter(path, 16, 16, float(RATE)) as writer:
            for frame in range(start, min(start + PART, frames)):
                writer.write(np.full((16, 16, 3), 255 if frame in lit else 0, np.uint8), float((frame - start) / RATE))
        parts.append((path, float(start / RATE)))
    join(parts, folder / "film.mp4", RATE, sound=Sound(folder / "clicks.wav"), seconds=float(frames / RATE))
    return folder / "film.mp4"


def rising(times: np.ndarray, loud: np.ndarray) -> np.ndarray:
    """Times at which `loud` becomes true."""
    return times[1:][loud[1:] & ~loud[:-1]]


def main(minutes: int) -> None:
    """Write the film, read it back, compare."""
    frames = int(minutes * 60 * RATE) + 60
    marks = [int(minute * 60 * RATE) for minute in range(1, minutes + 1)]
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(Path(folder), frames, marks)
        subprocess.run([ffmpeg_path(), "-v", "error", "-i", film, "-f", "null", "-"], check=True)
        shown = [(frame.pts, frame.image.mean() > 128) for frame in read_frames(film)]
        samples = np.abs(read_audio(film, SAMPLE_RATE)) > 0.3
    flashes = rising(*map(np.array, zip(*shown, strict=True)))
    clicks = np.flatnonzero(samples) / SAMPLE_RATE
    clicks = clicks[np.diff(clicks, prepend=-1) > 1]
    apart = clicks - flashes
    print(f"{len(shown)} of {frames} frames, {len(flashes)} flashes, {len(clicks)} clicks")
    print(f"click after flash: first {apart[0]:+.4f} s, last {apart[-1]:+.4f} s, worst {np.abs(apart).max():.4f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
