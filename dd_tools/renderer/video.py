"""Painted crops to a video file: pasted back into the source's frames, or as the square crop alone."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.compositing import paste
from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.formats.clip import Clip
from dd_tools.formats.history import sha256_of
from dd_tools.media.video import VideoWriter, probe, read_frames
from dd_tools.renderer.rendering import Painted, Painter


def find_source(clip: Clip, source: Path | None = None) -> Path:
    """The file the clip was cut from: `source`, where it was, or beside the clip. Raises `DataError` if it is gone or
    changed.
    """
    candidates = [source] if source else [Path(clip.source.path), clip.path.with_name(clip.source.name)]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise DataError(
            f"cannot find '{candidates[0]}', the source of '{clip.path}'; name it with --source, or use --crop-only"
        )
    if sha256_of(path) != clip.source.sha256:
        raise DataError(
            f"'{path}' is not the file '{clip.path}' was cut from (SHA-256 differs); name the right one with --source"
        )
    return path


def full_frames(painted: Iterable[Painted], clip: Clip, source: Path) -> Iterator[tuple[np.ndarray, float]]:
    """The source's frames uint8 (H, W, 3) with the painted crops pasted back, and their times. Painted come in rising
    order.
    """
    fps = clip.settings["fps"]
    decoded = enumerate(read_frames(source, fps=fps))
    index, frame = next(decoded)
    for item in painted:
        while index < item.index:
            index, frame = next(decoded)
        yield paste(frame.image, item.crop, item.mask, clip.crop_to_source[item.index]), item.pts


def crops_only(painted: Iterable[Painted]) -> Iterator[tuple[np.ndarray, float]]:
    """The painted crops themselves, and their times."""
    for item in painted:
        yield item.crop, item.pts


def write_dubbed(
    painter: Painter,
    latents: np.ndarray,
    output: Path,
    *,
    audio: Path | None,
    source: Path | None,
    frames: slice = slice(None),
    progress: Callable[[Iterable[Painted], int], Iterable[Painted]] = lambda painted, total: painted,
) -> None:
    """Paint `latents` (T, Z) and encode the result to `output`, frame by frame.

    audio: cut or padded to the video's duration. source: paste into this video's frames; None writes the crops alone.
    frames: the part of the output to render.
    """
    clip = painter.clip
    count = len(painter.timeline(latents)[0][frames])
    if not count:
        raise DataError(f"no frames to render: '{clip.path}' has none in the range asked for")
    painted = progress(painter.paint(latents, frames), count)
    pictures = full_frames(painted, clip, source) if source else crops_only(painted)
    first, pts = next(pictures)
    height, width = first.shape[:2]
    rate = clip.source.frame_rate or LATENT_RATE
    colour = probe(source).colour if source else None
    duration = painter.duration(latents)
    with VideoWriter(output, width, height, rate, audio=audio, duration=duration, colour=colour) as writer:
        writer.write(first, pts)
        for frame, pts in pictures:
            writer.write(frame, pts)
