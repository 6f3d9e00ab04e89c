"""Read the frames of a video or image as RGB arrays with their times.

Times are in seconds from the start of the container, that is, of its earliest stream. They agree with those of
`dd_tools.media.audio` for the same file; if the audio starts first, the time of the first frame is above 0.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.media import showinfo
from dd_tools.media.box import Box
from dd_tools.media.colour import is_rgb
from dd_tools.media.ffmpeg import Process, file_url
from dd_tools.media.images import read_image
from dd_tools.media.probe import VideoInfo, probe
from dd_tools.media.rates import exact_rate

__all__ = ["LEVEL_16_BIT", "Box", "Frame", "VideoInfo", "probe", "read_frames"]

LEVEL_16_BIT = 256  # one 8-bit level in 16-bit frames; ffmpeg converts white of limited range to about 65280


class Frame(NamedTuple):
    """A frame and its time.

    pts: seconds.
    image: (H, W, 3) RGB, uint8, or uint16 if read with high bit depth.
    """

    pts: float
    image: np.ndarray


def read_frames(
    source: str | Path | VideoInfo,
    *,
    fps: float | None = None,
    box: Box | None = None,
    high_bit_depth: bool = False,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """Decode a video frame by frame, with strictly increasing times. An image is one frame at time 0.

    source: a file, or its `VideoInfo`, which saves probing it.
    fps: resample to this constant rate by repeating and dropping frames; None keeps the frames of the file.
    box: read only this part of every frame, which is faster; the pixels are the same as in the whole frame.
    high_bit_depth: read uint16 frames in which one 8-bit level is `LEVEL_16_BIT`, for sources of more than 8 bits.
    on_damage: called once after the last frame if part of the video could not be decoded, with a one-line message.

    Closing the iterator ends ffmpeg. Raises `DataError` if the file is no video or image, or if nothing can be decoded.
    """
    info = source if isinstance(source, VideoInfo) else probe(source)
    box = box or Box(0, 0, info.width, info.height)
    if info.is_still:
        image = box.cut(read_image(info.path))
        return iter([Frame(0.0, image * np.uint16(LEVEL_16_BIT) if high_bit_depth else image)])
    return _decode(info, exact_rate(fps) if fps else None, box, high_bit_depth, on_damage)


def _decode(
    info: VideoInfo, fps: Fraction | None, box: Box, high_bit_depth: bool, on_damage: Callable[[str], None] | None
) -> Iterator[Frame]:
    times = showinfo.FrameTimes(1 / (fps or exact_rate(info.frame_rate)))
    decoded = box.widened(info.width, info.height)
    inner = Box(box.left - decoded.left, box.top - decoded.top, box.right - decoded.left, box.bottom - decoded.top)
    shape, dtype = (*decoded.size[::-1], 3), np.dtype("<u2" if high_bit_depth else "u1")
    filters = _filters(info, fps, decoded, high_bit_depth)
    video = ffmpeg.input(file_url(info.path))["V:0"]
    output = ffmpeg.output(video, "pipe:", format="rawvideo", fps_mode="passthrough", vf=filters)
    count, pts = 0, 0.0
    with Process(output, stdout=True, on_line=times.add_line) as process:
        for pts in times:
            image = np.empty(shape, dtype)
            if process.stdout.readinto(image.reshape(-1).view(np.uint8)) < image.nbytes:
                break
            count += 1
            yield Frame(pts, inner.cut(image))
        status = process.wait()
    if count == 0:
        raise DataError(f"cannot read '{info.path}': no frame of its video can be decoded")
    if on_damage and (status != 0 or process.first_error):
        reason = process.first_error or f"ffmpeg: exit status {status}"
        duration = f" of {info.duration:.2f}" if info.duration else ""
        on_damage(f"'{info.path}' is damaged ({reason}): {count} frames decoded, the last at {pts:.2f}{duration} s")


def _filters(info: VideoInfo, fps: Fraction | None, box: Box, high_bit_depth: bool) -> str:
    """The filter chain from decoded frames to RGB.

    Without accurate_rnd and full_chroma_int, swscale's RGB is one level too dark. Converting by way of planar RGB
    (gbrp) gives the same values as converting straight to rgb24, in a third of the time.
    """
    rgb, packed_rgb = ("gbrp16le", "rgb48le") if high_bit_depth else ("gbrp", "rgb24")
    crop, size = [], (info.width, info.height)
    if box.size != size:
        crop = [f"crop={box.size[0]}:{box.size[1]}:{box.left}:{box.top}:exact=1"]
    early, late = [], crop
    if info.square_pixels:  # stored pixels are displayed pixels: cropping before the conversion is faster
        early, late, size = crop, [], box.size
    scale = f"scale={size[0]}:{size[1]}:flags=accurate_rnd+full_chroma_int+bicubic"
    if not is_rgb(info.pixel_format):
        scale += f":in_color_matrix={info.colour.matrix}:in_range={info.colour.scale_range}"
    resample = [f"fps={fps}"] if fps else []
    return ",".join([*resample, *early, scale, f"format={rgb}", *late, f"format={packed_rgb}", showinfo.FILTER])
