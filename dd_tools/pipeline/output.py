"""Painted crops to a video file: pasted into the frames of the source, or the crops alone.

Frames are encoded in parts of `PART` frames, which are joined at the end. A killed run continues with the part that it
was writing, and parts rendered separately (``--frames``) equal those of the whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dd_tools.errors import DataError, UsageError
from dd_tools.face.compositing import paste
from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.formats.clip import Clip
from dd_tools.formats.history import sha256_of
from dd_tools.formats.parts import is_finished, mark_finished
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.ahead import ahead
from dd_tools.media.ai_label import append_xmp, label_tags
from dd_tools.media.codecs import Encoding
from dd_tools.media.containers import check_container
from dd_tools.media.encode import VideoWriter
from dd_tools.media.extras import Extras, find_extras
from dd_tools.media.images import is_image_sequence, write_image_sequence
from dd_tools.media.indexed_frames import IndexedFrames
from dd_tools.media.joining import AudioTrack, join
from dd_tools.media.probe import probe
from dd_tools.media.rates import exact_rate
from dd_tools.pipeline.rehearsal import rehearse
from dd_tools.pipeline.timing import SILENCE, STOP, check_timing
from dd_tools.reporting import SILENT, Reporter

if TYPE_CHECKING:  # which imports torch
    from dd_tools.pipeline.painting import PaintedFrame, Speaker

PART = 240  # frames
_CROP_SIZE = (64, 64)  # pixels: crops of any size are encoded alike


@dataclass(frozen=True)
class OutputSettings:
    """How the output is timed and encoded.

    frames: range of the output frames to render.
    loop, tail: what happens if audio and video differ in length, see `dd_tools.pipeline.timing.timeline`.
    crop_only: write the square crop instead of the full frame.
    codec, quality, pixel_format, lossless: see `Encoding`; None is the default, mostly that of the source.
    metadata: container metadata to add to the label that says that AI altered the video.
    audio_channel: number of the only channel of the audio to use, from 1; None for all.

    Raises `UsageError` for an unknown loop, tail, codec or pixel format, and for a quality out of range.
    """

    frames: slice = field(default_factory=lambda: slice(None))
    loop: str = STOP
    tail: str = SILENCE
    crop_only: bool = False
    codec: str | None = None
    quality: int | None = None
    pixel_format: str | None = None
    lossless: bool = False
    metadata: dict[str, str] | None = None
    audio_channel: int | None = None

    def __post_init__(self):
        check_timing(self.loop, self.tail)
        # Which refuses what `encoding` would, before there is a target.
        Encoding(self.codec or Encoding.codec, self.quality, self.pixel_format or Encoding.pixel_format)

    def encoding(self, target: Path, source: Path | None) -> Encoding:
        """How to encode the frames of `target`. source: the video they come from, if any."""
        return Encoding.for_target(
            target,
            Encoding.from_source(probe(source)) if source else None,
            codec=self.codec,
            quality=self.quality,
            pixel_format=self.pixel_format,
            lossless=self.lossless,
        )


def find_source(clip: Clip, source: Path | None = None) -> Path:
    """Find the video that the clip was cut from, which its SHA-256 identifies.

    It is `source` if given; otherwise it has its old name and is beside the clip or in the working folder. Raises
    `DataError` if it is missing or was changed.
    """
    name = clip.source.name
    candidates = [source] if source else [clip.path.with_name(name), Path(name)]
    found = [candidate for candidate in candidates if candidate.is_file()]
    if not found:
        where = "" if source else " beside it or in the working folder"
        raise DataError(
            f"cannot find '{source or name}', the source of '{clip.path}'{where}; "
            "name it with --source, or use --crop-only"
        )
    path = next((candidate for candidate in found if sha256_of(candidate) == clip.source.sha256), None)
    if path is None:
        raise DataError(
            f"'{found[0]}' is not the file '{clip.path}' was cut from (SHA-256 differs); "
            "name the right one with --source"
        )
    return path


def check_target(output: Path) -> None:
    """Raise `DataError` unless `write_video` can write to the path `output`."""
    check_output_path(output)
    if not is_image_sequence(output):
        check_container(output)


@dataclass(frozen=True)
class OutputPlan:
    """How a video will be written, checked by a rehearsal.

    encoding: of the video. audio: its audio track. extras: what else is copied from the source.
    """

    encoding: Encoding
    audio: AudioTrack | None
    extras: Extras | None


def plan_output(
    output: Path, settings: OutputSettings, *, source: Path | None, audio: Path | None, report: Reporter = SILENT
) -> OutputPlan | None:
    """Plan the output, say what it will lose, and rehearse it; None for an image sequence.

    source, audio: see `write_video`. Raises `DataError` and `UsageError` for what cannot be encoded.
    """
    if is_image_sequence(output):
        return None
    info = probe(source) if source else None
    encoding, track = settings.encoding(output, source), AudioTrack(audio, settings.audio_channel) if audio else None
    # A part that begins later is to be joined to others.
    extras = find_extras(source, output) if info and not info.is_still and not settings.frames.start else None
    if extras and extras.lost:
        report.say(f"'{output}' will not have everything that '{source}' has: {extras.lost}")
    if encoding.loses_hdr:
        report.say(f"'{output}' will not have the HDR metadata of '{source}', which only hevc stores")
    rehearse(output, encoding, (info.width, info.height) if info else _CROP_SIZE, track, extras)
    return OutputPlan(encoding, track, extras)


def write_video(
    speakers: Sequence["Speaker"],
    output: Path,
    settings: OutputSettings,
    folder: Path,
    *,
    source: Path | None,
    plan: OutputPlan | None,
    inputs: Snapshot,
    batch_size: int = 8,
    report: Reporter = SILENT,
) -> None:
    """Paint all `speakers` of one source and write a video, or an image per frame for a pattern such as ``%06d.png``.

    source: the video into whose frames the crops are pasted; None to write the crops alone. plan: from `plan_output`,
    for the same output and settings; its audio is cut or padded to the length of the output. folder: of the parts;
    those that exist are not rendered again. inputs: files that must not have changed at the end. Raises `DataError` if
    one has, and for an empty range of frames; `UsageError` for speakers that do not fit together.
    """
    _check_together(speakers, source)
    timeline = speakers[0].timeline
    spans = list(_parts(len(timeline), settings.frames))
    if not spans:
        raise DataError(f"no frames to render: '{speakers[0].clip.path}' has none in this range")
    if is_image_sequence(output):
        frames = _frames(speakers, spans, source, batch_size)
        reported = report.progress(frames, spans[-1].stop - spans[0].start, "rendering")
        write_image_sequence(output, (image for image, _ in reported), first=spans[0].start)
        inputs.check()
        return
    encoding = plan.encoding
    rate = exact_rate(speakers[0].clip.source.frame_rate or LATENT_RATE)
    files = {span.start: folder / f"{span.start:08d}.mp4" for span in spans}
    missing = [span for span in spans if not is_finished(files[span.start])]
    high_bit_depth = encoding.high_bit_depth and source is not None  # crops have 8 bits
    with closing(_frames(speakers, missing, source, batch_size, high_bit_depth)) as frames:
        reported = iter(report.progress(frames, sum(span.stop - span.start for span in missing), "rendering"))
        for span in missing:
            _write_part(files[span.start], islice(reported, span.stop - span.start), float(rate), encoding)
            mark_finished(files[span.start])
    with atomic_output(output) as temporary:
        # With --frames, a later part of the video begins at time 0, so that it can be joined to another one.
        origin = timeline.pts[spans[0].start] if spans[0].start else 0.0
        starts = [(file, float(timeline.pts[start] - origin)) for start, file in files.items()]
        seconds = timeline.part(slice(0, spans[-1].stop)).end
        tags = label_tags(settings.metadata)
        join(starts, temporary, rate, audio=plan.audio, seconds=seconds, tags=tags, extras=plan.extras)
        append_xmp(temporary)
        inputs.check()


def _check_together(speakers: Sequence["Speaker"], source: Path | None) -> None:
    """Raise `UsageError` unless all speakers can be painted into the same frames."""
    clips = [speaker.clip for speaker in speakers]
    if len(clips) > 1 and source is None:
        raise UsageError("several clips cannot be written as crops; leave out --crop-only")
    if len({clip.source.sha256 for clip in clips}) > 1:
        raise UsageError(f"'{clips[0].path}' and the other clips were not cut from the same video")
    if any(not np.array_equal(one.timeline.frames, speakers[0].timeline.frames) for one in speakers):
        raise UsageError("the motions differ in length: use --loop stop and --tail silence or source")


def _parts(count: int, frames: slice) -> Iterator[slice]:
    """The range `frames` of `count` output frames, split at multiples of `PART`."""
    start, stop, _ = frames.indices(count)
    while start < stop:
        end = min((start // PART + 1) * PART, stop)
        yield slice(start, end)
        start = end


def _frames(
    speakers: Sequence["Speaker"],
    spans: Iterable[slice],
    source: Path | None,
    batch_size: int,
    high_bit_depth: bool = False,
) -> Iterator[tuple[np.ndarray, float]]:
    """The finished frames (H, W, 3) of `spans` with their times in seconds, uint8 or, with `high_bit_depth`, uint16.

    The next two batches are painted in another thread.
    """
    with closing(ahead(_painted(speakers, spans, batch_size), 2 * batch_size)) as painted:
        yield from _finished(painted, speakers, source, high_bit_depth)


def _finished(
    painted: Iterable["tuple[PaintedFrame, ...]"],
    speakers: Sequence["Speaker"],
    source: Path | None,
    high_bit_depth: bool,
) -> Iterator[tuple[np.ndarray, float]]:
    """Painted crops, pasted into the frames of `source`; without it, the crops of the only speaker."""
    if source is None:
        for crops in painted:
            yield crops[0].crop, crops[0].pts
        return
    made = speakers[0].clip.settings
    reading = {"fps": made.get("fps"), "deinterlace": made.get("deinterlace", False), "high_bit_depth": high_bit_depth}
    with IndexedFrames(source, **reading) as frames:
        for crops in painted:
            image = frames.at(crops[0].index)
            for crop, speaker in zip(crops, speakers, strict=True):
                placement = speaker.clip.crop_to_source[crop.index]
                image = paste(image, crop.painted, crop.known, crop.mask, placement, crop.opacity)
            yield image, crops[0].pts


def _painted(
    speakers: Sequence["Speaker"], spans: Iterable[slice], batch_size: int
) -> Iterator["tuple[PaintedFrame, ...]"]:
    """The crops of all speakers, one output frame after another. No batch crosses the border of a part."""
    for span in spans:
        yield from zip(*(speaker.paint(span, batch_size) for speaker in speakers), strict=True)


def _write_part(path: Path, frames: Iterable[tuple[np.ndarray, float]], rate: float, encoding: Encoding) -> None:
    """Encode `frames` with their times in seconds. The part begins at time 0. rate: nominal frames per second."""
    frames = iter(frames)
    image, start = next(frames)
    height, width = image.shape[:2]
    with VideoWriter(path, width, height, rate, encoding, high_bit_depth=image.itemsize > 1) as writer:
        writer.write(image, 0)
        for image, pts in frames:
            writer.write(image, pts - start)
