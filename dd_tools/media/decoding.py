"""Decode one stream of a file with PyAV, as far as it can be decoded, and say what is missing."""

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.frame import Frame
from av.packet import Packet
from av.stream import Stream

from dd_tools.media.opening import start_of

# Formats whose header states the duration; for others FFmpeg estimates it.
_STATE_DURATION = {"aiff", "asf", "avi", "caf", "flac", "flv", "matroska", "mov", "mxf", "tta", "w64", "wav", "wv"}
_MIN_MISSING = 0.25  # seconds: durations in headers are rounded, and the last packets may be padding


class StreamDecoder:
    """Iterates over the decoded frames of one stream. Their times count from the start of the container.

    stream: of `container`. All packets are read, so that the end of the file is seen.
    """

    def __init__(self, container: InputContainer, stream: Stream):
        self._container, self._stream = container, stream
        self._start = Fraction(start_of(container)).limit_denominator(av.time_base)
        self._end = 0.0  # of the packets read so far, seconds
        self._bad = 0  # packets that cannot be decoded
        self._reason: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        offset = round(self._start / self._stream.time_base)
        for packet in self._packets():
            for frame in self._decoded(packet):
                if frame.pts is not None:
                    frame.pts -= round(offset * self._stream.time_base / frame.time_base)
                yield frame

    def _packets(self) -> Iterator[Packet]:
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self._note(error)
                packet = None
            if packet is None:
                return
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base - self._start
                self._end = max(self._end, float(end))
            if packet.stream is self._stream:
                yield packet

    def _decoded(self, packet: Packet) -> list[Frame]:
        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            self._bad += 1
            self._note(error)
            return []

    def _note(self, error: av.error.FFmpegError) -> None:
        self._reason = self._reason or (error.strerror or type(error).__name__)

    @property
    def damage(self) -> str | None:
        """What could not be read or decoded, or None; complete after the last frame."""
        found = []
        states_duration = _STATE_DURATION & set(self._container.format.name.split(","))
        duration = (self._container.duration or 0) / av.time_base
        if states_duration and duration - self._end > _MIN_MISSING:
            found.append(f"it ends after {self._end:.2f} of {duration:.2f} s")
        if self._bad:
            found.append(f"{self._bad} packet{'s' * (self._bad > 1)} cannot be decoded")
        if not found and self._reason:
            found.append(self._reason)
        return ", ".join(found) or None
