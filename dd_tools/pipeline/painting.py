"""The painted crops of one speaker, one per output frame."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch

from dd_tools.errors import DataError, first_line
from dd_tools.formats.clip import Clip
from dd_tools.nn.batches import Batches
from dd_tools.pipeline.interfaces import ClipPainter, Renderer
from dd_tools.pipeline.models import check_options
from dd_tools.pipeline.timing import Timeline, latents_at, timeline
from dd_tools.reporting import SILENT, Reporter


@dataclass(frozen=True)
class PaintedFrame:
    """One output frame.

    index: of the clip's frame behind it.
    pts: its time in the output, in seconds.
    painted: crop uint8 (S, S, 3) as painted.
    known: the crop before painting.
    mask: uint8 (S, S), 1 = painted.
    opacity: of the painting, 0 to 1.
    """

    index: int
    pts: float
    painted: np.ndarray
    known: np.ndarray
    mask: np.ndarray
    opacity: float

    @property
    def crop(self) -> np.ndarray:
        """The crop uint8 (S, S, 3), a blend of `known` and `painted`."""
        return np.rint(self.known + self.opacity * (self.painted.astype(np.float32) - self.known)).astype(np.uint8)


class Speaker:
    """A clip, the motion to paint into it, and the painter.

    latents (T, Z): the motion, 25 per second. loop, tail: see `timeline`. report: receives a message when the memory is
    too small for a batch. options: of the renderer; None for a default.
    Raises `DataError` if clip, renderer and latents do not fit each other, `UsageError` for an option that the renderer
    does not have.
    """

    def __init__(
        self,
        clip: Clip,
        latents: np.ndarray,
        renderer: Renderer,
        *,
        loop: str,
        tail: str,
        report: Reporter = SILENT,
        **options: object,
    ):
        clip.check_usable(renderer.framing)
        if latents.shape[1] != renderer.z_size:
            raise DataError(f"latents have {latents.shape[1]} values, the renderer takes {renderer.z_size}")
        given = check_options("this renderer", renderer.painting_options, options)
        self.clip = clip
        self.timeline: Timeline = timeline(clip, len(latents), loop=loop, tail=tail)
        self._painter: ClipPainter = renderer.painter(clip, **given)
        self._batches = Batches(report)
        self._settled = nullcontext
        self._visible = np.flatnonzero(self.timeline.opacity > 0)  # output frames that are painted
        self._frames, self._pts = self.timeline.frames[self._visible], self.timeline.pts[self._visible]
        self._latents = latents_at(latents, self._pts)

    def warm_up(self, batch_size: int) -> None:
        """Paint the first batch, for which a compiled renderer is then compiled. Other batches will not be compiled."""
        if len(self._frames):
            self._paint(slice(0, min(batch_size, len(self._frames))))
        self._settled = lambda: torch.compiler.set_stance("eager_on_recompile")

    def _paint(self, batch: slice) -> np.ndarray:
        """Crops uint8 (n, S, S, 3) of those output frames that are painted, by their numbers."""
        with self._settled():
            return self._batches.compute(
                lambda part: self._painter(self._frames, self._pts, self._latents, part), batch
            )

    def paint(self, span: slice, batch_size: int) -> Iterator[PaintedFrame]:
        """The output frames of `span` in order, painted in batches."""
        first, stop = np.searchsorted(self._visible, (span.start, span.stop))
        batches = (slice(start, min(start + batch_size, stop)) for start in range(first, stop, batch_size))
        crops = chain.from_iterable(map(self._paint, batches))
        for number in range(span.start, span.stop):
            index, opacity = int(self.timeline.frames[number]), float(self.timeline.opacity[number])
            known = self.clip.frames[index]
            painted = next(crops) if opacity > 0 else known
            yield PaintedFrame(index, float(self.timeline.pts[number]), painted, known, self.clip.mask[index], opacity)


def compile_renderer(renderer: Renderer, speakers: Sequence[Speaker], batch_size: int, report: Reporter) -> None:
    """Compile the renderer and paint a batch of every speaker, which shows as progress.

    Batches of other sizes are painted without compilation from then on. Raises `DataError` if PyTorch cannot compile.
    """
    try:
        renderer.compile()
        for speaker in report.progress(speakers, len(speakers), "compiling"):
            speaker.warm_up(batch_size)
    except RuntimeError as error:
        raise DataError(f"cannot compile the renderer ({first_line(error)}); leave out --compile") from error
