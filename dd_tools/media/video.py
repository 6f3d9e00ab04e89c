"""Video in: what a file holds, and its frames as RGB with their own times.

Times are seconds from the container's start, the earliest of its streams, so that they agree with
`dd_tools.media.audio` on the same file: frame times may begin above zero where the sound starts first.
"""

import queue
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.media.colour import Colour, colour_of, is_rgb
from dd_tools.media.ffmpeg import Process, check_input, file_url
from dd_tools.media.header import Header, not_media, parse_header
from dd_tools.media.pictures import read_picture
from dd_tools.media.rates import exact_rate

_BLOCK = 16  # pixels: a multiple of what any format's chroma samples stand for


DEEP = 256  # a value of 8 bits in 16, as ffmpeg's conversions have it: limited white is about 65280


class Frame(NamedTuple):
    """A picture in time: pts in seconds, image (H, W, 3) RGB, uint8 or, of deep frames, uint16."""

    pts: float
    image: np.ndarray


class Box(NamedTuple):
    """A part of a picture in whole pixels; right and bottom are the first ones beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def cut(self, image: np.ndarray) -> np.ndarray:
        """That part of `image` (H, W, ...), a view."""
        return image[self.top : self.bottom, self.left : self.right]

    def widened(self, width: int, height: int) -> "Box":
        """With what its chroma is interpolated from: to blocks of `_BLOCK` pixels, a block more on every side."""
        low = (max(0, (edge // _BLOCK - 1) * _BLOCK) for edge in (self.left, self.top))
        high = (
            min(end, (-(-edge // _BLOCK) + 1) * _BLOCK) for edge, end in ((self.right, width), (self.bottom, height))
        )
        return Box(*low, *high)


@dataclass(frozen=True)
class VideoInfo:
    """A video or picture as `read_frames` gives it.

    width, height: pixels as displayed, after rotation and with square pixels. frame_rate: nominal, frames a second
    (24000/1001 and its like to the last digit), 0 for a still picture. duration: seconds of the whole file, sound
    included, None where it does not say. codec, pixel_format: ffmpeg's names. colour: how the stream's values stand for
    RGB.
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


def probe(path: str | Path) -> VideoInfo:
    """What a video or picture file holds; decodes its first frame. Raises `DataError` for anything else."""
    path = Path(path)
    check_input(path)
    picture = read_picture(path)
    if picture is not None:
        height, width, _ = picture.shape
        return VideoInfo(path, width, height, 0.0, None, False, True, "png", "rgb24", Colour())
    lines: list[str] = []
    first_frame = ffmpeg.output(
        ffmpeg.input(file_url(path))["V:0"], "pipe:", format="null", vf="showinfo=checksum=0", **{"frames:v": 1}
    )
    with Process(first_frame, on_line=lambda line: lines.append(line or "")) as process:
        process.wait()
    header = parse_header(lines)
    if header is None:
        raise not_media(path, process.complaint)
    if header.video is None:
        raise DataError(f"cannot read '{path}': no video track")
    return _describe(path, header, lines, process.complaint)


_SHOWN_RATE = re.compile(r"config in time_base: (\d+/\d+), frame_rate: (\d+)/(\d+)")
_SHOWN_FRAME = re.compile(
    r"n: *\d+ pts: *(?P<pts>\S+) .*fmt:(?P<format>\S+) .*sar:(?P<sar>\d+/\d+) s:(?P<size>\d+x\d+) "
)
_SHOWN_COLOUR = re.compile(
    r"color_range:(?P<range>\S+) color_space:(?P<space>\S+) "
    r"color_primaries:(?P<primaries>\S+) color_trc:(?P<transfer>\S+)"
)


def _describe(path: Path, header: Header, lines: list[str], complaint: str | None) -> VideoInfo:
    """The video's description from its header and from what the filter showinfo says of its first frame."""
    rates, frames, colours = (
        list(filter(None, map(p.match, lines))) for p in (_SHOWN_RATE, _SHOWN_FRAME, _SHOWN_COLOUR)
    )
    if not frames:
        raise DataError(
            f"cannot read '{path}': no frame of its video can be decoded" + (f" ({complaint})" if complaint else "")
        )
    stored_width, stored_height = map(int, frames[0]["size"].split("x"))
    width, height = _square_pixels(stored_width, stored_height, frames[0]["sar"])
    pixel_format = frames[0]["format"]
    return VideoInfo(
        path,
        width,
        height,
        float(_nominal_rate(header.video, int(rates[0][2]), int(rates[0][3]))),
        header.duration,
        header.audio is not None,
        False,
        re.match(r"\w*", header.video)[0],
        pixel_format,
        colour_of(colours[0].groupdict(), pixel_format, stored_width, stored_height),
        (width, height) == (stored_width, stored_height),
    )


def _square_pixels(width: int, height: int, sample_aspect: str) -> tuple[int, int]:
    """The size with square pixels: the side that is too short is stretched, which loses no detail; even, for H.264."""
    numerator, denominator = map(int, sample_aspect.split("/"))
    aspect = numerator / denominator if numerator and denominator else 1.0
    if aspect > 1:
        width = 2 * round(width * aspect / 2)
    elif aspect < 1:
        height = 2 * round(height / aspect / 2)
    return width, height


def _nominal_rate(video_line: str, numerator: int, denominator: int) -> Fraction:
    """Frames a second: ffmpeg's exact guess where the printed average (two decimals) agrees, else that average."""
    guess = Fraction(numerator, denominator) if numerator and denominator else None
    printed = re.search(r" ([\d.]+) fps", video_line)
    average = float(printed[1]) if printed else 0.0
    if guess and (not average or abs(guess - average) < 0.01 * average):
        return guess
    return exact_rate(average or 25.0)


def read_frames(
    source: str | Path | VideoInfo,
    *,
    fps: float | None = None,
    box: Box | None = None,
    deep: bool = False,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """The frames of a video in order, one at a time, with strictly increasing times; a picture is one frame at time 0.

    source: a file, or what `probe` said of it, which saves a look. fps: resample to this constant rate by repeating and
    dropping frames. box: give this part of every frame only, the same pixels in less time. deep: give 16 bits a value,
    in steps of 1 / `DEEP`, for sources of more than 8. on_damage: called once, after the last frame, with a line about
    what could not be decoded. Closing the iterator ends ffmpeg. Raises `DataError` as `probe` does.
    """
    info = source if isinstance(source, VideoInfo) else probe(source)
    box = box or Box(0, 0, info.width, info.height)
    if info.is_still:
        image = box.cut(read_picture(info.path))
        return iter([Frame(0.0, image * np.uint16(DEEP) if deep else image)])
    return _decode(info, exact_rate(fps) if fps else None, box, deep, on_damage)


def _decode(
    info: VideoInfo, fps: Fraction | None, box: Box, deep: bool, on_damage: Callable[[str], None] | None
) -> Iterator[Frame]:
    times = _FrameTimes(1 / (fps or exact_rate(info.frame_rate)))
    source = ffmpeg.input(file_url(info.path))["V:0"]
    around = box.widened(info.width, info.height)
    filters = _filters(info, fps, around, deep)
    frames = ffmpeg.output(source, "pipe:", format="rawvideo", fps_mode="passthrough", vf=filters)
    inner = Box(box.left - around.left, box.top - around.top, box.right - around.left, box.bottom - around.top)
    count, pts = 0, 0.0
    with Process(frames, stdout=True, on_line=times.hear) as process:
        for pts in times:
            image = np.empty((*around.size[::-1], 3), "<u2" if deep else np.uint8)
            if process.stdout.readinto(image.reshape(-1).view(np.uint8)) < image.nbytes:
                break
            count += 1
            yield Frame(pts, inner.cut(image))
        status = process.wait()
    if count == 0:
        raise DataError(f"cannot read '{info.path}': no frame of its video can be decoded")
    if on_damage and (status != 0 or process.complaint):
        reason = process.complaint or f"ffmpeg ended with status {status}"
        length = f" of {info.duration:.2f}" if info.duration else ""
        on_damage(f"'{info.path}' is damaged ({reason}): {count} frames decoded, the last at {pts:.2f}{length} s")


def _filters(info: VideoInfo, fps: Fraction | None, box: Box, deep: bool) -> str:
    """The filter chain from decoded frames to RGB.

    Without accurate_rnd and full_chroma_int swscale's RGB is a grey level too dark; going by way of planar RGB (gbrp)
    gives the same values as rgb24 directly, in a third of the time.
    """
    conversion = (
        "" if is_rgb(info.pixel_format) else f":in_color_matrix={info.colour.matrix}:in_range={info.colour.scale_range}"
    )
    cut = (
        []
        if box.size == (info.width, info.height)
        else [f"crop={box.size[0]}:{box.size[1]}:{box.left}:{box.top}:exact=1"]
    )
    # Cut before they are converted, pixels cost nothing; but a box is in pixels as displayed.
    early, late, (width, height) = (cut, [], box.size) if info.square_pixels else ([], cut, (info.width, info.height))
    chain = [
        *early,
        f"scale={width}:{height}:flags=accurate_rnd+full_chroma_int+bicubic{conversion}",
        "format=gbrp16le" if deep else "format=gbrp",
        *late,
        "format=rgb48le" if deep else "format=rgb24",
        "showinfo=checksum=0",
    ]
    return ",".join([f"fps={fps}", *chain] if fps else chain)


class _FrameTimes:
    """The times of the frames on the pipe, in seconds, from the lines of showinfo, which run ahead of the pipe.

    A frame without a time of its own, or with one not after its predecessor's, follows that by `spacing` seconds.
    """

    def __init__(self, spacing: Fraction):
        self._spacing = spacing
        self._time_base = Fraction(1)
        self._heard: queue.SimpleQueue[Fraction | str | None] = queue.SimpleQueue()

    def hear(self, line: str | None) -> None:
        """Take one of ffmpeg's lines; None after the last."""
        if line is None:
            self._heard.put(None)
        elif found := _SHOWN_RATE.match(line):
            self._time_base = Fraction(found[1])
        elif found := _SHOWN_FRAME.match(line):
            self._heard.put("NOPTS" if found["pts"] == "NOPTS" else int(found["pts"]) * self._time_base)

    def __iter__(self) -> Iterator[float]:
        last = None
        while (time := self._heard.get()) is not None:
            if time == "NOPTS" or (last is not None and time <= last):
                time = Fraction(0) if last is None else last + self._spacing
            last = time
            yield float(time)
