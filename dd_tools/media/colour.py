"""The colour of a video stream: YCbCr matrix, range, and tags."""

from dataclasses import dataclass

from av.video.frame import VideoFrame

from dd_tools.media.colour_names import PRIMARIES, RANGES, SPACES, TRANSFERS, UNKNOWN

# ffmpeg's colour space to the name of its matrix in the filter "scale".
_MATRICES = {
    "bt709": "bt709",
    "smpte170m": "bt601",
    "bt470bg": "bt601",
    "fcc": "fcc",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}
_RGB_FORMATS = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr")


@dataclass(frozen=True)
class Colour:
    """The colour of a stream. Tags are ffmpeg's names, or "unknown" if the stream has none.

    matrix: YCbCr matrix, as the filter "scale" names it.
    full_range: whether luma spans 0 to 255 instead of 16 to 235.
    space: tag of the colour space.
    range: tag of the range.
    primaries: tag of the colour primaries.
    transfer: tag of the transfer characteristics.

    An encoded copy gets the tags of its source. Missing ones stay missing, so that players guess the same for both.
    """

    matrix: str = "bt709"
    full_range: bool = False
    space: str = "bt709"
    range: str = "tv"
    primaries: str = "bt709"
    transfer: str = "bt709"

    @property
    def scale_range(self) -> str:
        """The range, as the filter "scale" names it."""
        return "pc" if self.full_range else "tv"


def colour_of(frame: VideoFrame) -> Colour:
    """The colour of a decoded frame.

    An unknown matrix is guessed as mpv does: BT.709 from 1280 pixels of width or above 576 of height, otherwise BT.601.
    """
    pixel_format = frame.format.name
    if is_rgb(pixel_format):
        return Colour()
    tags = {
        "space": SPACES.get(int(frame.colorspace), UNKNOWN),
        "range": RANGES.get(int(frame.color_range), UNKNOWN),
        "primaries": PRIMARIES.get(int(frame.color_primaries), UNKNOWN),
        "transfer": TRANSFERS.get(int(frame.color_trc), UNKNOWN),
    }
    guess = "bt709" if frame.width >= 1280 or frame.height > 576 else "bt601"
    full_range = tags["range"] == "pc" or pixel_format.startswith("yuvj")  # yuvj… means full range
    return Colour(_MATRICES.get(tags["space"], guess), full_range, **tags)


def is_rgb(pixel_format: str) -> bool:
    """Whether a pixel format stores RGB, which has neither matrix nor range."""
    return pixel_format.startswith(_RGB_FORMATS)
