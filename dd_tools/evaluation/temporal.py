"""Steadiness in time against the truth's."""

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measure import Better, Label, Measure

JITTER = Label("jitter", "jitter", "", Better.NEAR_ONE, 2, "second-difference-ratio,lower-face,truth-pixels")


class Jitter(Measure):
    """How much the lower face flickers, as a share of the truth's: 1 alike, above 1 restless, 0 frozen.

    Of three frames in a row, the lower face (one box for all three: the middle frame's), in the truth's own pixels, is
    differenced twice in time, which leaves out steady change; the ratio is that of the mean absolute values over the
    clip. NaN with fewer than three frames or where the truth stands still.
    """

    labels = (JITTER,)

    def __init__(self) -> None:
        self._recent: list[FramePair] = []
        self._sums = np.zeros(2)  # truth, generated

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        self._recent = [*self._recent[-2:], frame]
        if len(self._recent) < 3 or self._recent[1].lower_face is None:
            return
        box = self._recent[1].lower_face
        width, height = np.rint((box[2:] - box[:2]) * frame.truth.image.shape[1::-1]).astype(int)
        before, middle, after = (np.int16(recent.cut(box, width, height)) for recent in self._recent)
        self._sums += np.abs(before - 2 * middle + after).mean(axis=(1, 2, 3))

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        truth, generated = self._sums
        return (float(generated / truth) if truth > 0 else float("nan"),)
