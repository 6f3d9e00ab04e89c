"""Do audio and video stay in sync for an hour at 29.97 fps, if the video is written in parts and joined?

    python tests/benchmarks/hour_of_sync.py [MINUTES]

The video is black with a white flash and a click every minute. Prints the time between them in the result, in seconds.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from dd_tools.media.audio import read_audio, write_audio
from dd_tools.media.encode import VideoWriter
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.joining import AudioTrack, join
from dd_tools.media.rates import exact_rate
from dd_tools.media.video import read_frames
from dd_tools.pipeline.output import PART

RATE, SAMPLE_RATE = exact_rate(29.97), 48000
FLASH = 3  # frames


def write_video(folder: Path, frames: int, marks: list[int]) -> Path:
    """A video in which a flash and a click start at each of the frames `marks`."""
    samples = np.zeros((int(frames / RATE * SAMPLE_RATE), 2), np.float32)
    for mark in marks:
        samples[round(mark / RATE * SAMPLE_RATE) :][:2000] = 0.9
    write_audio(folder / "clicks.wav", samples, SAMPLE_RATE)
    lit = {mark + offset for mark in marks for offset in range(FLASH)}
    parts = []
    for start in range(0, frames, PART):
        path = folder / f"{start:08d}.mp4"
        with VideoWriter(path, 16, 16, float(RATE)) as writer:
            for frame in range(start, min(start + PART, frames)):
                writer.write(np.full((16, 16, 3), 255 if frame in lit else 0, np.uint8), float((frame - start) / RATE))
        parts.append((path, float(start / RATE)))
    join(parts, folder / "video.mp4", RATE, audio=AudioTrack(folder / "clicks.wav"), seconds=float(frames / RATE))
    return folder / "video.mp4"


def onsets(times: np.ndarray, active: np.ndarray) -> np.ndarray:
    """The times at which `active` becomes true."""
    return times[1:][active[1:] & ~active[:-1]]


def main(minutes: int) -> None:
    """Write the video, read it back, compare."""
    frames = int(minutes * 60 * RATE) + 60
    marks = [int(minute * 60 * RATE) for minute in range(1, minutes + 1)]
    with tempfile.TemporaryDirectory() as folder:
        video = write_video(Path(folder), frames, marks)
        subprocess.run([ffmpeg_path(), "-v", "error", "-i", video, "-f", "null", "-"], check=True)
        brightness = [(frame.pts, frame.image.mean() > 128) for frame in read_frames(video)]
        is_loud = np.abs(read_audio(video, SAMPLE_RATE)) > 0.3
    flashes = onsets(*map(np.array, zip(*brightness, strict=True)))
    clicks = np.flatnonzero(is_loud) / SAMPLE_RATE
    clicks = clicks[np.diff(clicks, prepend=-1) > 1]
    delays = clicks - flashes
    print(f"{len(brightness)} of {frames} frames, {len(flashes)} flashes, {len(clicks)} clicks")
    print(f"click after flash: first {delays[0]:+.4f} s, last {delays[-1]:+.4f} s, worst {np.abs(delays).max():.4f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
