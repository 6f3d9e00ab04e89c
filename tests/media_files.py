"""Videos that the tests of `dd_tools.media` write, and the ffmpeg programs that they run."""

import itertools
import os
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.joining import AudioTrack, join
from dd_tools.media.rates import exact_rate

PROGRAMS = sorted({ffmpeg_path(), imageio_ffmpeg.get_ffmpeg_exe()})
TICK = 1 / 90_000  # seconds: the error of frame times in MP4


def open_files() -> list[Path]:
    """The files that this process has open."""
    links = Path("/proc/self/fd")
    if not links.exists():
        pytest.skip("needs /proc, to see which files are open")
    return [Path(os.readlink(link)) for link in links.iterdir() if link.is_symlink()]


def smooth_frames(count: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Moving smooth colours (T, H, W, 3), with little fine detail. size: width, height."""
    x, y = np.meshgrid(np.arange(size[0]) / 15, np.arange(size[1]) / 12)
    waves = [np.sin(x + k + t / 5) * np.cos(y + 2 * k - t / 7) for t in range(count) for k in range(3)]
    return (128 + 110 * np.array(waves)).astype(np.uint8).reshape(count, 3, *x.shape).transpose(0, 2, 3, 1)


def write_video(path: Path, frames: np.ndarray, times: list[float] | None = None, rate: float = 25, **encoding) -> Path:
    """Write a video without audio. times: seconds; None for a constant frame rate. encoding: values of `Encoding`."""
    times = [n / rate for n in range(len(frames))] if times is None else times
    with VideoWriter(path, frames.shape[2], frames.shape[1], rate, Encoding(**encoding)) as writer:
        for image, pts in zip(frames, times, strict=True):
            writer.write(image, pts)
    return path


def write_with_audio(
    path: Path,
    frames: np.ndarray,
    audio: Path | None,
    times: list[float] | None = None,
    rate: float = 25,
    *,
    seconds: float | None = None,
    cuts: tuple[int, ...] = (),
    tags: dict[str, str] | None = None,
    channel: int | None = None,
    **encoding,
) -> Path:
    """Encode frames in parts that begin at the indices `cuts`, and join the parts with `audio`."""
    times = [n / rate for n in range(len(frames))] if times is None else times
    parts = []
    for start, stop in itertools.pairwise([0, *cuts, len(frames)]):
        part = path.with_name(f"{path.stem}-{start}.mp4")
        relative = [pts - times[start] for pts in times[start:stop]]
        parts.append((write_video(part, frames[start:stop], relative, rate, **encoding), times[start]))
    track = AudioTrack(audio, channel) if audio else None
    join(parts, path, exact_rate(rate), audio=track, seconds=seconds or times[-1] + 1 / rate, tags=tags)
    return path
