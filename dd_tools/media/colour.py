"""How a video's YCbCr values stand for RGB: which matrix, which range, and what its tags say."""

from dataclasses import dataclass

UNKNOWN = "unknown"

# ffmpeg's name of a stream's colour space to the scale filter's name of the matrix.
_MATRICES = {
    "bt709": "bt709",
    "smpte170m": "bt601",
    "bt470bg": "bt601",
    "fcc": "fcc",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}


@dataclass(frozen=True)
class Colour:
    """The colour of a stream. matrix: the scale filter's name; full_range: whether luma spans 0 to 255, not 16 to 235.

    space, range, primaries, transfer: the stream's tags in ffmpeg's words, "unknown" where it has none. A copy carries
    the same tags, none included: then any player's guess is the same for both.
    """

    matrix: str = "bt709"
    full_range: bool = False
    space: str = "bt709"
    range: str = "tv"
    primaries: str = "bt709"
    transfer: str = "bt709"

    @property
    def scale_range(self) -> str:
        """The range in the scale filter's words."""
        return "pc" if self.full_range else "tv"


def colour_of(tags: dict[str, str], pixel_format: str, width: int, height: int) -> Colour:
    """The colour of a stream with `tags` (space, range, primaries, transfer); players' guess where they are unknown.

    The guess for the matrix is mpv's: BT.709 for HD, that is wider than 1279 or higher than 576 pixels, else BT.601.
    """
    if is_rgb(pixel_format):
        return Colour()
    guess = "bt709" if width >= 1280 or height > 576 else "bt601"
    # The formats yuvj… are full range by their name.
    full_range = tags["range"] == "pc" or pixel_format.startswith("yuvj")
    return Colour(_MATRICES.get(tags["space"], guess), full_range, **tags)


def is_rgb(pixel_format: str) -> bool:
    """Whether values are RGB already, without matrix or range."""
    return pixel_format.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr"))
