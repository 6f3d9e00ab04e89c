"""Landmark distance after the videos have been aligned in time, as proposed by Zhang et al., arXiv 2606.01031.

A constant or slowly changing delay is then not counted as a wrong shape. The definition is this project's after the
idea of that paper: mouths are matched by soft-DTW, see `dd_tools.evaluation.measures.time_warping`.
"""

import math
from array import array

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.aperture import MAX_DELAY
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.evaluation.measures.lmd import ALIGNED
from dd_tools.evaluation.measures.time_warping import band, warped_mean
from dd_tools.face.landmarks import MOUTH

GAMMA = 0.01  # pixels; identical videos have a distance of at most about this

LMD_DTW = Label(
    "lmd_dtw", "LMD-DTW", "px", Better.LOWER, 2, f"as-lmd,soft-dtw-gamma-{GAMMA}-px,within-{MAX_DELAY}-frames"
)


class WarpedLmd(Measure):
    """LMD of the mouths that soft-DTW matches, in pixels as LMD; at most LMD itself, apart from the smoothing.

    kind: one of `LMD_KINDS`. Frames without both faces are left out before matching. NaN if there are no others.
    """

    labels = (LMD_DTW,)

    def __init__(self, kind: str):
        self._is_aligned = kind == ALIGNED
        self._mouths = array("f")  # of the truth, of the generated video, and so on

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        for landmarks in frame.landmarks or ():
            mouth = landmarks[MOUTH]
            self._mouths.extend((mouth - mouth.mean(0) if self._is_aligned else mouth).flat)

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if not self._mouths:
            return (math.nan,)
        truth, generated = np.array(self._mouths).reshape(-1, 2, MOUTH.stop - MOUTH.start, 2).swapaxes(0, 1)
        return (warped_mean(band(truth, generated, MAX_DELAY, landmark_distance), GAMMA),)


def landmark_distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean Euclidean distance (K,) of the landmarks of mouths (K,20,2)."""
    return np.linalg.norm(one - other, axis=-1).mean(-1)
