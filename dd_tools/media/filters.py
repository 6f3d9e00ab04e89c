"""Run decoded frames through a chain of FFmpeg's filters. A new chain is built when the frames change their format."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.frame import Frame
from av.video.frame import VideoFrame

from dd_tools.errors import DataError, first_line

Chain = list[tuple[str, str]]  # filters with their arguments

# The colour spaces, by FFmpeg's numbers, of which the filter "scale" takes frames. It is told the matrix anyway.
_CONVERTED_SPACES, _UNKNOWN_SPACE = {0, 1, 2, 4, 5, 6, 7, 9}, 2


class FilterChain:
    """Filters the frames of the file `path`. `make_chain` gives the chain for frames like the one it is called with."""

    def __init__(self, path: str | Path, make_chain: Callable[[Frame], Chain]):
        self._path, self._make_chain = path, make_chain
        self._kind: tuple | None = None
        self._graph: av.filter.Graph | None = None

    def filter(self, frame: Frame | None) -> Iterator[Frame]:
        """What comes out after `frame` went in; after None, the rest. Raises `DataError` if it cannot be filtered."""
        try:
            yield from self._filter(frame)
        except av.error.FFmpegError as error:
            raise DataError(f"cannot read '{self._path}': a frame cannot be converted ({first_line(error)})") from None

    def _filter(self, frame: Frame | None) -> Iterator[Frame]:
        if frame is not None and self._kind != (kind := _kind(frame)):
            yield from self._drain()
            self._graph, self._kind = _build(frame, self._make_chain(frame)), kind
        if frame is None:
            yield from self._drain()
        else:
            self._graph.push(frame)
            yield from self._pull()

    def _drain(self) -> Iterator[Frame]:
        if self._graph:
            self._graph.push(None)
            yield from self._pull()
            self._graph = self._kind = None

    def _pull(self) -> Iterator[Frame]:
        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _kind(frame: Frame) -> tuple:
    """What the frames of one chain have in common."""
    if isinstance(frame, VideoFrame):
        # The rotation stands for the whole display matrix, see `dd_tools.media.side_data`.
        return frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, frame.rotation
    return frame.sample_rate, frame.format.name, frame.layout.name, frame.layout.nb_channels


def _build(frame: Frame, chain: Chain) -> av.filter.Graph:
    graph = av.filter.Graph()
    if isinstance(frame, VideoFrame):
        source, sink = _video_source(graph, frame), "buffersink"
    else:
        source, sink = _audio_source(graph, frame), "abuffersink"
    nodes = [source, *(graph.add(name, arguments or None) for name, arguments in chain), graph.add(sink)]
    graph.link_nodes(*nodes)
    graph.configure()
    return graph


def _video_source(graph: av.filter.Graph, frame: VideoFrame) -> av.filter.context.FilterContext:
    return graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base=str(Fraction(frame.time_base)),
        colorspace=str(int(frame.colorspace) if int(frame.colorspace) in _CONVERTED_SPACES else _UNKNOWN_SPACE),
        range=str(int(frame.color_range)),
    )


def _audio_source(graph: av.filter.Graph, frame: AudioFrame) -> av.filter.context.FilterContext:
    usual = {"1 channels": "mono", "2 channels": "stereo"}  # WAV files need not name their layout
    return graph.add(
        "abuffer",
        sample_rate=str(frame.sample_rate),
        sample_fmt=frame.format.name,
        time_base=str(Fraction(frame.time_base)),
        channel_layout=usual.get(frame.layout.name, frame.layout.name),
    )
