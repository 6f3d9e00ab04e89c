"""What a decoded frame says about its display: rotation and HDR metadata.

Do not call these functions for every frame. Reading the side data of a frame makes a reference cycle, and hundreds of
frames would wait for the garbage collector.
"""

import struct

from av.video.frame import VideoFrame

_CHROMATICITY, _LUMINANCE = 50_000, 10_000  # units per 1 and per cd/m², as HEVC and x265 count


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The display matrix, nine integers, or None. Phones store it instead of rotating the pixels."""
    data = _side_data(frame, "DISPLAYMATRIX")
    return struct.unpack("=9i", data) if data else None


def hdr_metadata(frame: VideoFrame) -> dict[str, str]:
    """Mastering display and content light level, as x265 names and writes them; only those that the frame has."""
    found = {}
    if display := _side_data(frame, "MASTERING_DISPLAY_METADATA"):
        *rationals, has_primaries, has_luminance = struct.unpack("=22i", display[:88])
        values = [n / d if d else 0.0 for n, d in zip(rationals[::2], rationals[1::2], strict=True)]
        if has_primaries and has_luminance:
            found["master-display"] = _master_display(values)
    if light := _side_data(frame, "CONTENT_LIGHT_LEVEL"):
        found["max-cll"] = "{},{}".format(*struct.unpack("=2I", light[:8]))
    return found


def _master_display(values: list[float]) -> str:
    """values: x, y of red, green, blue and white, least and largest luminance, as in AVMasteringDisplayMetadata."""
    red, green, blue, white = (
        "({},{})".format(*(round(value * _CHROMATICITY) for value in values[at : at + 2])) for at in (0, 2, 4, 6)
    )
    low, high = (round(value * _LUMINANCE) for value in values[8:])
    return f"G{green}B{blue}R{red}WP{white}L({high},{low})"


def _side_data(frame: VideoFrame, name: str) -> bytes | None:
    try:
        return next((bytes(data) for data in frame.side_data if data.type.name == name), None)
    except ValueError:  # PyAV gives none if one is of a kind that it does not know
        return None
