"""Describe a video or image file: size, frame rate, codec, colour."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from dd_tools.errors import DataError
from dd_tools.media import showinfo
from dd_tools.media.colour import Colour, colour_of
from dd_tools.media.ffmpeg import Process, check_input, file_url
from dd_tools.media.header import MediaHeader, not_media_error, parse_header
from dd_tools.media.images import read_image
from dd_tools.media.rates import exact_rate
from dd_tools.media.showinfo import FirstFrame

DEFAULT_FRAME_RATE = 25.0  # frames per second, if the file does not say


@dataclass(frozen=True)
class VideoInfo:
    """A video or image file, as `dd_tools.media.video.read_frames` reads it.

    path: the file.
    width, height: pixels as displayed, after rotation and with square pixels.
    frame_rate: nominal frames per second, exact (24000/1001 rather than 23.98); 0 for an image.
    duration: seconds of the whole file, including its audio; None if the file does not say.
    has_audio: whether there is an audio track.
    is_still: whether it is an image.
    codec: ffmpeg's name of the video codec.
    pixel_format: ffmpeg's name of the pixel format.
    colour: YCbCr matrix, range and tags.
    square_pixels: whether pixels are stored square.
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
    """Describe a video or image file; decodes its first frame. Raises `DataError` for any other file."""
    path = Path(path)
    check_input(path)
    image = read_image(path)
    if image is not None:
        height, width, _ = image.shape
        return VideoInfo(path, width, height, 0.0, None, False, True, "png", "rgb24", Colour())
    lines: list[str] = []
    video = ffmpeg.input(file_url(path))["V:0"]
    decode_one = ffmpeg.output(video, "pipe:", format="null", vf=showinfo.FILTER, **{"frames:v": 1})
    with Process(decode_one, on_line=lambda line: lines.append(line or "")) as process:
        process.wait()
    header = parse_header(lines)
    if header is None:
        raise not_media_error(path, process.first_error)
    if header.video is None:
        raise DataError(f"cannot read '{path}': no video track")
    frame = showinfo.parse_first_frame(lines)
    if frame is None:
        reason = f" ({process.first_error})" if process.first_error else ""
        raise DataError(f"cannot read '{path}': no frame of its video can be decoded{reason}")
    return _video_info(path, header, frame)


def _video_info(path: Path, header: MediaHeader, frame: FirstFrame) -> VideoInfo:
    width, height = _square_pixel_size(frame)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        frame_rate=float(_nominal_rate(header.video, frame.frame_rate)),
        duration=header.duration,
        has_audio=header.audio is not None,
        is_still=False,
        codec=re.match(r"\w*", header.video)[0],
        pixel_format=frame.pixel_format,
        colour=colour_of(frame.colour_tags, frame.pixel_format, frame.width, frame.height),
        square_pixels=(width, height) == (frame.width, frame.height),
    )


def _square_pixel_size(frame: FirstFrame) -> tuple[int, int]:
    """Width and height with square pixels: the shorter side is stretched, to an even number of pixels, as H.264 needs.

    Stretching loses no detail.
    """
    width, height, aspect = frame.width, frame.height, float(frame.sample_aspect)
    if aspect > 1:
        width = 2 * round(width * aspect / 2)
    elif aspect < 1:
        height = 2 * round(height / aspect / 2)
    return width, height


def _nominal_rate(video_line: str, guess: Fraction | None) -> Fraction:
    """Frames per second: ffmpeg's exact `guess` if it agrees with the average in `video_line`, otherwise the average.

    The average has two decimals.
    """
    printed = re.search(r" ([\d.]+) fps", video_line)
    average = float(printed[1]) if printed else 0.0
    if guess and (not average or abs(guess - average) < 0.01 * average):
        return guess
    return exact_rate(average or DEFAULT_FRAME_RATE)
