"""What ffmpeg prints about a file before it works on it; there may be no ffprobe to ask."""

import re
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from dd_tools.errors import DataError
from dd_tools.media.ffmpeg import Process, check_input, file_url


@dataclass(frozen=True)
class Header:
    """The lines about one input. video, audio: what follows ``Video:`` and ``Audio:`` in the first such line, or None.

    duration: seconds from the first stream's start to the last one's end, or None where the file does not say.
    """

    container: str
    duration: float | None
    video: str | None
    audio: str | None


def parse_header(lines: list[str]) -> Header | None:
    """The header in ffmpeg's messages, or None where ffmpeg could not open the file."""
    container = duration = None
    streams = {"Video": None, "Audio": None}
    for line in lines:
        if line.startswith(("Stream mapping:", "Output #")):  # what follows is about ffmpeg's output
            break
        if found := re.match(r"Input #0, (\S+), from", line):
            container = found[1]
        elif found := re.match(r" +Duration: (\d+):(\d+):([\d.]+)", line):
            hours, minutes, seconds = found.groups()
            duration = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        elif (found := re.match(r" +Stream #0:\d+.*?: (Video|Audio): (.*)", line)) and "(attached pic)" not in line:
            streams[found[1]] = streams[found[1]] or found[2]
    # ffmpeg draws text files as if they were terminal art.
    if container is None or container == "tty":
        return None
    return Header(container, duration, streams["Video"], streams["Audio"])


def read_header(path: str | Path) -> Header:
    """The header of a video or audio file. Raises `DataError` for anything else."""
    check_input(path)
    lines: list[str] = []
    nothing = ffmpeg.output(ffmpeg.input(file_url(path)), "pipe:", format="null", t=0)
    with Process(nothing, on_line=lambda line: lines.append(line or "")) as process:
        process.wait()
    header = parse_header(lines)
    if header is None:
        raise not_media(path, process.complaint)
    return header


def not_media(path: str | Path, complaint: str | None) -> DataError:
    """The error for a file that ffmpeg cannot open, after ffmpeg's `complaint`."""
    if complaint == "moov atom not found" and _looks_like_mp4(path):
        return DataError(f"cannot read '{path}': truncated, the index at the end of the MP4 is missing")
    return DataError(f"cannot read '{path}': not a video or audio file")


def _looks_like_mp4(path: str | Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(12)[4:8] == b"ftyp"
