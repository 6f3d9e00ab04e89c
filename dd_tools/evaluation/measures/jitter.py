"""Flicker: temporal noise of the lower face, compared with the truth's.

VBench (Huang et al., arXiv 2311.17982) measures flicker by first differences, in videos of still scenes. Faces move;
therefore second differences are used here, and compared with those of a video that moves as much.
"""

import math

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Better, Label, Measure

JITTER = Label("jitter", "jitter", "", Better.NEAR_ONE, 2, "second-difference-ratio,lower-face,truth-pixels")


class Jitter(Measure):
    """The ratio generated / truth of the mean absolute second difference over time of the lower face's pixels.

    1: as steady as the truth; above 1: flicker; 0: frozen. The second difference of three frames is zero for a constant
    rate of change. All three are cropped to the middle frame's lower face, at the truth's resolution. NaN for fewer
    than three frames and for a static truth.
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
        width, height = np.rint((box[2:] - box[:2]) * frame.truth.size).astype(int)
        before, middle, after = (np.int16(recent.crop(box, width, height)) for recent in self._recent)
        self._sums += np.abs(before - 2 * middle + after).mean(axis=(1, 2, 3))

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        truth, generated = self._sums
        return (float(generated / truth) if truth > 0 else math.nan,)
