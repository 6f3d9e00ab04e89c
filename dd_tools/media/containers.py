"""Containers of video files: which codecs they take, and how they store times."""

from fractions import Fraction
from pathlib import Path

from dd_tools.errors import DataError

# Suffix to codecs. The first one is used if the container does not take the codec of the source.
CONTAINERS = {
    ".mp4": ("h264", "hevc", "av1"),
    ".m4v": ("h264", "hevc"),
    ".mov": ("h264", "hevc"),
    ".mkv": ("h264", "hevc", "vp9", "av1"),
    ".webm": ("vp9", "av1"),
}
MATROSKA = (".mkv", ".webm")
MIN_TICKS = 90_000  # per second: times are exact to 6 µs


def check_container(path: Path) -> str:
    """The suffix of `path` in lower case. Raises `DataError` unless it is one of `CONTAINERS`."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        raise DataError(f"cannot write '{path}': unknown suffix '{path.suffix}'; use one of {' '.join(CONTAINERS)}")
    return suffix


def ticks_per_second(rate: Fraction) -> int:
    """The resolution of frame times for a frame rate: at least `MIN_TICKS`, and a multiple of the rate's numerator.

    So the times of a constant frame rate are exact.
    """
    return rate.numerator * -(-MIN_TICKS // rate.numerator)


def container_options(path: Path, ticks: int) -> dict[str, object]:
    """ffmpeg's output options for the container of `path`. ticks: resolution of times; Matroska always has 1 ms."""
    if check_container(path) in MATROSKA:
        return {}
    # +faststart moves the index to the front, so that browsers can play the file while they load it.
    return {"movflags": "+faststart+use_metadata_tags", "video_track_timescale": ticks, "movie_timescale": ticks}
