"""The messages of ffmpeg's filter "showinfo": format, colour and time of every decoded frame."""

import queue
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

FILTER = "showinfo=checksum=0"

_STREAM = re.compile(r"config in time_base: (\d+/\d+), frame_rate: (\d+)/(\d+)")
_FRAME = re.compile(
    r"n: *\d+ pts: *(?P<pts>\S+) .*fmt:(?P<format>\S+) .*sar:(?P<sar>\d+)/(?P<sar_base>\d+) "
    r"s:(?P<width>\d+)x(?P<height>\d+) "
)
_COLOUR = re.compile(
    r"color_range:(?P<range>\S+) color_space:(?P<space>\S+) "
    r"color_primaries:(?P<primaries>\S+) color_trc:(?P<transfer>\S+)"
)


@dataclass(frozen=True)
class FirstFrame:
    """What showinfo prints about the first frame of a stream.

    width, height: pixels as stored.
    sample_aspect: width of a pixel divided by its height; 1 if unknown.
    pixel_format: ffmpeg's name.
    colour_tags: "range", "space", "primaries" and "transfer" in ffmpeg's names.
    frame_rate: ffmpeg's guess of the nominal rate, frames per second; None if unknown.
    """

    width: int
    height: int
    sample_aspect: Fraction
    pixel_format: str
    colour_tags: dict[str, str]
    frame_rate: Fraction | None


def parse_first_frame(lines: list[str]) -> FirstFrame | None:
    """The first frame in ffmpeg's messages, or None if no frame was decoded."""
    stream, frame, colour = (
        next(filter(None, map(pattern.match, lines)), None) for pattern in (_STREAM, _FRAME, _COLOUR)
    )
    if frame is None:
        return None
    return FirstFrame(
        width=int(frame["width"]),
        height=int(frame["height"]),
        sample_aspect=_positive_fraction(frame["sar"], frame["sar_base"]) or Fraction(1),
        pixel_format=frame["format"],
        colour_tags=colour.groupdict(),
        frame_rate=_positive_fraction(stream[2], stream[3]),
    )


def _positive_fraction(numerator: str, denominator: str) -> Fraction | None:
    return Fraction(int(numerator), int(denominator)) if int(numerator) and int(denominator) else None


class FrameTimes:
    """Iterates over the times of decoded frames, in seconds, while another thread adds ffmpeg's messages.

    The messages run ahead of the frames in the pipe. A frame without a time, or with a time that does not increase,
    follows the previous one by `spacing` seconds.
    """

    _NO_TIME, _END = object(), object()

    def __init__(self, spacing: Fraction):
        self._spacing = spacing
        self._time_base = Fraction(1)
        self._times: queue.SimpleQueue = queue.SimpleQueue()

    def add_line(self, line: str | None) -> None:
        """Add one message. None means that there are no more."""
        if line is None:
            self._times.put(self._END)
        elif found := _STREAM.match(line):
            self._time_base = Fraction(found[1])
        elif found := _FRAME.match(line):
            self._times.put(self._NO_TIME if found["pts"] == "NOPTS" else int(found["pts"]) * self._time_base)

    def __iter__(self) -> Iterator[float]:
        last = None
        while (time := self._times.get()) is not self._END:
            if time is self._NO_TIME or (last is not None and time <= last):
                time = Fraction(0) if last is None else last + self._spacing
            last = time
            yield float(time)
