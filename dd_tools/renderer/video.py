"""Painted crops to a video file: pasted back into the source's frames, or as the square crop alone.

The pictures are written in parts of `PART` frames, joined at the end: a killed job goes on with the part it was at, and
parts rendered apart (``--frames``) are the same as those of the whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError, UsageError
from dd_tools.face.compositing import paste
from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.formats.clip import Clip
from dd_tools.formats.history import sha256_of
from dd_tools.media.ai_label import append_xmp, label_tags
from dd_tools.media.codecs import Encoding
from dd_tools.media.containers import check_container
from dd_tools.media.encode import VideoWriter
from dd_tools.media.images import is_image_sequence, write_image_sequence
from dd_tools.media.indexed_frames import IndexedFrames
from dd_tools.media.joining import Sound, join
from dd_tools.media.rates import exact_rate
from dd_tools.media.video import probe
from dd_tools.renderer.rendering import Painted, Painter
from dd_tools.renderer.timing import SILENCE, STOP, Timeline, timeline

PART = 240  # frames

# progress(pictures, how many) passes the pictures through, as `Session.progress` does.
Progress = Callable[[Iterable, int], Iterable]


@dataclass(frozen=True)
class Wanted:
    """How the result shall be. source: paste into this video's frames; None writes the crops alone. audio: goes along,
    cut or padded to the pictures' length. frames: the part of the output to render. loop, tail: see `timeline`. codec,
    quality, pixel_format, lossless: see `Encoding`; None is the source's. more_tags: container metadata besides the
    mark.
    """

    source: Path | None = None
    audio: Path | None = None
    frames: slice = field(default_factory=lambda: slice(None))
    loop: str = STOP
    tail: str = SILENCE
    codec: str | None = None
    quality: int | None = None
    pixel_format: str | None = None
    lossless: bool = False
    more_tags: dict[str, str] | None = None

    def encoding(self, target: Path) -> Encoding:
        """What the pictures of `target` are encoded as."""
        return Encoding.for_target(
            target,
            Encoding.from_source(probe(self.source)) if self.source else None,
            codec=self.codec,
            quality=self.quality,
            pixel_format=self.pixel_format,
            lossless=self.lossless,
        )


@dataclass(frozen=True)
class Speaker:
    """A renderer at work on one clip, and the latents (T, Z) to paint into it."""

    painter: Painter
    latents: np.ndarray


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


def check_target(output: Path) -> None:
    """Raise `DataError` unless `write_dubbed` can write a file of this name where it is to lie."""
    check_output_path(output)
    if not is_image_sequence(output):
        check_container(output)


def write_dubbed(
    speakers: Sequence[Speaker],
    output: Path,
    wanted: Wanted,
    folder: Path,
    progress: Progress = lambda pictures, total: pictures,
) -> None:
    """Paint all `speakers` of one source and write the result to `output`: a video, or a picture for every frame where
    its name is a pattern like ``%06d.png``.

    folder: for the parts, numbered by their first frame; those that are there already are not made again. Raises
    `DataError` for an empty range of frames, `UsageError` for speakers that do not fit together.
    """
    whens = _timelines(speakers, wanted)
    spans = list(_parts(len(whens[0]), wanted.frames))
    if not spans:
        raise DataError(f"no frames to render: '{speakers[0].painter.clip.path}' has none in the range asked for")
    if is_image_sequence(output):
        pictures = progress(_pictures(speakers, whens, spans, wanted.source), spans[-1].stop - spans[0].start)
        write_image_sequence(output, (image for image, _ in pictures), first=spans[0].start)
        return
    encoding, sound = wanted.encoding(output), Sound(wanted.audio) if wanted.audio else None
    deep = encoding.high_bit_depth and wanted.source is not None  # crops have 8 bits
    rate = exact_rate(speakers[0].painter.clip.source.frame_rate or LATENT_RATE)
    files = {span.start: folder / f"{span.start:08d}.mp4" for span in spans}
    missing = [span for span in spans if not files[span.start].exists()]
    todo = sum(span.stop - span.start for span in missing)
    with closing(_pictures(speakers, whens, missing, wanted.source, deep)) as pictures:
        shown = iter(progress(pictures, todo))
        for span in missing:
            _write_part(files[span.start], islice(shown, span.stop - span.start), float(rate), encoding)
    with atomic_output(output) as temporary:
        # A later part of the whole begins at time 0, so that it can follow another one.
        origin = whens[0].pts[spans[0].start] if spans[0].start else 0.0
        starts = [(file, float(whens[0].pts[start] - origin)) for start, file in files.items()]
        seconds = whens[0].part(slice(0, spans[-1].stop)).end
        join(starts, temporary, rate, sound=sound, seconds=seconds, tags=label_tags(wanted.more_tags))
        append_xmp(temporary)


def _timelines(speakers: Sequence[Speaker], wanted: Wanted) -> list[Timeline]:
    clips = [speaker.painter.clip for speaker in speakers]
    if len(clips) > 1 and wanted.source is None:
        raise UsageError("several clips share a picture only when pasted back; leave out --crop-only")
    if len({clip.source.sha256 for clip in clips}) > 1:
        raise UsageError(f"'{clips[0].path}' and the other clips were not cut from the same video")
    whens = [
        timeline(speaker.painter.clip, len(speaker.latents), loop=wanted.loop, tail=wanted.tail) for speaker in speakers
    ]
    if any(not np.array_equal(when.frames, whens[0].frames) for when in whens):
        raise UsageError("the voices are of different length: use --loop stop and --tail silence or source")
    return whens


def _parts(count: int, frames: slice) -> Iterator[slice]:
    """The output frames of `frames`, cut at multiples of `PART`."""
    start, stop, _ = frames.indices(count)
    while start < stop:
        end = min((start // PART + 1) * PART, stop)
        yield slice(start, end)
        start = end


def _pictures(
    speakers: Sequence[Speaker],
    whens: Sequence[Timeline],
    spans: Iterable[slice],
    source: Path | None,
    deep: bool = False,
) -> Iterator[tuple[np.ndarray, float]]:
    """The finished pictures of `spans` (H, W, 3) with their times, uint8 or, with `deep`, uint16."""
    clips = [speaker.painter.clip for speaker in speakers]
    if source is None:
        for items in _painted(speakers, whens, spans):
            yield _crop(items[0]), items[0].pts
        return
    with IndexedFrames(source, clips[0].settings["fps"], high_bit_depth=deep) as frames:
        for items in _painted(speakers, whens, spans):
            picture = frames.at(items[0].index)
            for item, clip in zip(items, clips, strict=True):
                place = clip.crop_to_source[item.index]
                picture = paste(picture, item.crop, item.known, item.mask, place, item.share)
            yield picture, items[0].pts


def _painted(
    speakers: Sequence[Speaker], whens: Sequence[Timeline], spans: Iterable[slice]
) -> Iterator[tuple[Painted, ...]]:
    """All speakers' crops of one output frame after another. Batches begin anew with every part."""
    for span in spans:
        yield from zip(
            *(
                speaker.painter.paint(speaker.latents, when, span)
                for speaker, when in zip(speakers, whens, strict=True)
            ),
            strict=True,
        )


def _crop(item: Painted) -> np.ndarray:
    """The painted square alone."""
    return np.rint(item.known + item.share * (item.crop.astype(np.float32) - item.known)).astype(np.uint8)


def _write_part(path: Path, pictures: Iterable[tuple[np.ndarray, float]], rate: float, encoding: Encoding) -> None:
    pictures = iter(pictures)
    image, start = next(pictures)
    height, width = image.shape[:2]
    with VideoWriter(path, width, height, rate, encoding, high_bit_depth=image.itemsize > 1) as writer:
        writer.write(image, 0)
        for image, pts in pictures:
            writer.write(image, pts - start)
