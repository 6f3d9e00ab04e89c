"""Describe a video or image file: size, frame rate, codec, colour."""

import functools
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dd_tools.errors import DataError
from dd_tools.media.colour import Colour, colour_of
from dd_tools.media.decoding import StreamDecoder
from dd_tools.media.images import check_pixels, read_image
from dd_tools.media.opening import audio_stream, check_input, open_media, video_stream
from dd_tools.media.rates import exact_rate
from dd_tools.media.side_data import hdr_metadata

DEFAULT_FRAME_RATE = 25.0  # frames per second, if the file does not say

_MAX_RATE = 300  # frames per second: higher ones are the clock's, not the frames'
_MAX_GUESS = 1.5  # of the average
_RATE_PACKETS = 250  # packets from which the frame rate is measured
_RESIZABLE = {"matroska", "mpegts", "flv", "ivf", "h264", "hevc"}  # containers that live encoders write


@dataclass(frozen=True)
class VideoInfo:
    """A video or image file, as `dd_tools.media.video.read_frames` reads it.

    path: the file.
    width, height: pixels as displayed, after rotation and with square pixels. If frames differ in size, the largest.
    frame_rate: nominal frames per second, exact (24000/1001 rather than 23.98); 0 for an image.
    duration: seconds of the whole file, including its audio; None if the file does not say.
    has_audio: whether there is an audio track.
    is_still: whether it is an image.
    codec: ffmpeg's name of the video codec.
    pixel_format: ffmpeg's name of the pixel format.
    colour: YCbCr matrix, range and tags.
    square_pixels: whether pixels are stored square, in frames of one size.
    resized: whether frames differ in size.
    interlaced: whether the first frame is interlaced.
    hdr: mastering display and content light level, see `dd_tools.media.side_data.hdr_metadata`.
    """

    path: Path
    width: int
    height: int
    frame_rate: float
    duration: float | None
    has_audio: bool
    is_still: bool
    codec: str
    pixel_format: str
    colour: Colour
    square_pixels: bool = True
    resized: bool = False
    interlaced: bool = False
    hdr: dict[str, str] = field(default_factory=dict)

    def remarks(self, *, deinterlace: bool = False) -> list[str]:
        """Lines about what is changed when frames are read, or not changed though one might wish it."""
        lines = []
        if self.resized:
            lines.append(f"'{self.path}' changes its frame size; all frames are scaled to {self.width}x{self.height}")
        if self.interlaced and not deinterlace:
            lines.append(f"'{self.path}' is interlaced and stays so; --deinterlace makes whole frames")
        return lines


def probe(path: str | Path) -> VideoInfo:
    """Describe a video or image file; decodes its first frame. Raises `DataError` for any other file.

    In containers that live encoders write, the key frames are decoded too, because their size may change.
    """
    path = Path(path)
    check_input(path)
    status = os.stat(path)
    return _probe(path, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=16)
def _probe(path: Path, version: tuple[int, ...]) -> VideoInfo:
    """See `probe`. version: tells whether the file is still the same."""
    image = read_image(path)
    if image is not None:
        height, width, _ = image.shape
        return VideoInfo(path, width, height, 0.0, None, False, True, "png", "rgb24", Colour())
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise DataError(f"cannot read '{path}': no video track")
        decoder = StreamDecoder(container, stream)
        frame = next(iter(decoder), None)
        if frame is None:
            reason = f" ({decoder.damage})" if decoder.damage else ""
            raise DataError(f"cannot read '{path}': no frame of its video can be decoded{reason}")
        return _video_info(path, container, stream, frame)


def _video_info(path: Path, container: InputContainer, stream: VideoStream, frame: VideoFrame) -> VideoInfo:
    first = displayed_size(frame, stream)
    sizes = [first, *_later_sizes(path, container)]
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    check_pixels(path, width, height)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        frame_rate=float(_nominal_rate(path, stream)),
        duration=container.duration / av.time_base if container.duration else None,
        has_audio=audio_stream(container) is not None,
        is_still=False,
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=frame.format.name,
        colour=colour_of(frame),
        square_pixels=len(set(sizes)) == 1 and first == _turned_size(frame),
        resized=len(set(sizes)) > 1,
        interlaced=frame.interlaced_frame,
        hdr=hdr_metadata(frame),
    )


def _later_sizes(path: Path, container: InputContainer) -> Iterator[tuple[int, int]]:
    """The sizes of all key frames, where a container may hold frames of several sizes."""
    if not _RESIZABLE & set(container.format.name.split(",")):
        return
    with open_media(path) as again:
        stream = video_stream(again)
        stream.codec_context.skip_frame = "NONKEY"
        for frame in StreamDecoder(again, stream):
            yield displayed_size(frame, stream)


def displayed_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height upright and with square pixels.

    The shorter side is stretched, to an even number of pixels, as H.264 needs. Stretching loses no detail.
    """
    width, height = _turned_size(frame)
    aspect = float(stream.sample_aspect_ratio or 1)
    if (width, height) != (frame.width, frame.height):
        aspect = 1 / aspect
    if aspect > 1:
        width = 2 * round(width * aspect / 2)
    elif aspect < 1:
        height = 2 * round(height / aspect / 2)
    return width, height


def _turned_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height as stored, after rotation."""
    return (frame.height, frame.width) if abs(frame.rotation) == 90 else (frame.width, frame.height)


def _nominal_rate(path: Path, stream: VideoStream) -> Fraction:
    """Frames per second: FFmpeg's exact guess if it agrees with the average, otherwise the average.

    If one is unknown or that of a clock, or if pauses make the average much lower, the rate is measured.
    """
    guess, average = stream.guessed_rate, round(float(stream.average_rate or 0), 2)
    if not (guess and average and average <= _MAX_RATE and guess < _MAX_GUESS * average):
        return _measured_rate(path) or exact_rate(average or DEFAULT_FRAME_RATE)
    return Fraction(guess) if abs(guess - average) < 0.01 * average else exact_rate(average)


def _measured_rate(path: Path) -> Fraction | None:
    """Frames per second of the first packets, without pauses; None for a single packet."""
    with open_media(path) as container:
        stream = video_stream(container)
        packets = islice((packet for packet in container.demux(stream) if packet.pts is not None), _RATE_PACKETS)
        times = sorted({packet.pts * packet.time_base for packet in packets})
    distances = [float(later - earlier) for earlier, later in pairwise(times)]
    if not distances:
        return None
    usual = statistics.median(distances)  # a clock of milliseconds gives 33, 33, 34
    return exact_rate(round(1 / statistics.fmean(distance for distance in distances if distance < 2 * usual), 2))
