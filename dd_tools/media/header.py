"""What ffmpeg prints about an input file. It is used instead of ffprobe, which may not be installed."""

import re
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from dd_tools.errors import DataError
from dd_tools.media.ffmpeg import Process, check_input, file_url


@dataclass(frozen=True)
class MediaHeader:
    """What ffmpeg prints about one input file.

    container: name of the container format.
    duration: seconds from the start of the first stream to the end of the last; None if the file does not say.
    video: text after ``Video:`` of the first video stream; None if there is none. Cover art does not count.
    audio: text after ``Audio:`` of the first audio stream; None if there is none.
    """

    container: str
    duration: float | None
    video: str | None
    audio: str | None


def parse_header(lines: list[str]) -> MediaHeader | None:
    """The header in ffmpeg's messages, or None if ffmpeg could not open the file."""
    container = duration = None
    streams = {"Video": None, "Audio": None}
    for line in lines:
        if line.startswith(("Stream mapping:", "Output #")):  # the following lines describe the output
            break
        if found := re.match(r"Input #0, (\S+), from", line):
            container = found[1]
        elif found := re.match(r" +Duration: (\d+):(\d+):([\d.]+)", line):
            hours, minutes, seconds = found.groups()
            duration = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
        elif (found := re.match(r" +Stream #0:\d+.*?: (Video|Audio): (.*)", line)) and "(attached pic)" not in line:
            streams[found[1]] = streams[found[1]] or found[2]
    # ffmpeg opens text files as terminal art ("tty").
    if container is None or container == "tty":
        return None
    return MediaHeader(container, duration, streams["Video"], streams["Audio"])


def read_media_header(path: str | Path) -> MediaHeader:
    """The header of a video or audio file. Raises `DataError` for any other file."""
    check_input(path)
    lines: list[str] = []
    no_output = ffmpeg.output(ffmpeg.input(file_url(path)), "pipe:", format="null", t=0)
    with Process(no_output, on_line=lambda line: lines.append(line or "")) as process:
        process.wait()
    header = parse_header(lines)
    if header is None:
        raise not_media_error(path, process.first_error)
    return header


def not_media_error(path: str | Path, first_error: str | None) -> DataError:
    """The error for a file that ffmpeg cannot open. first_error: ffmpeg's message."""
    if first_error == "moov atom not found" and _is_mp4(path):
        return DataError(f"cannot read '{path}': truncated, the index at the end of the MP4 is missing")
    return DataError(f"cannot read '{path}': not a video or audio file")


def _is_mp4(path: str | Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(12)[4:8] == b"ftyp"
