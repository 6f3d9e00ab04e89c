"""The mouth's shape against the truth's: landmark distance (LMD) and the correlation of lip apertures."""

import numpy as np

from dd_tools.evaluation.frames import SIZE, FramePair
from dd_tools.evaluation.measure import Better, Label, Measure
from dd_tools.face.landmarks import MOUTH, lip_aperture

ALIGNED, RAW = LMD_KINDS = ("aligned", "raw")

APERTURE = Label("aperture_r", "aperture r", "", Better.HIGHER, 3, "pearson,inner-lip-61-67+62-66+63-65")


def lmd_label(kind: str) -> Label:
    """The label of `aligned_lmd` or `raw_lmd`."""
    return Label("lmd", "LMD", "px", Better.LOWER, 2, f"mouth-48-67,{kind},shorter-side-{SIZE}")


def raw_lmd(frame: FramePair) -> float | None:
    """Mean Euclidean distance over the mouth's 20 landmarks, in pixels of pictures of 256 on their shorter side."""
    if frame.landmarks is None:
        return None
    truth, generated = (landmarks[MOUTH] for landmarks in frame.landmarks)
    return float(np.linalg.norm(truth - generated, axis=-1).mean())


def aligned_lmd(frame: FramePair) -> float | None:
    """`raw_lmd` after moving both mouths' mean points onto each other, as Chen et al. 2018, who brought in LMD, do.

    It tells how the mouth is shaped, not how steadily the detector places it; Table 1's order comes out only this way.
    """
    if frame.landmarks is None:
        return None
    truth, generated = (landmarks[MOUTH] - landmarks[MOUTH].mean(0) for landmarks in frame.landmarks)
    return float(np.linalg.norm(truth - generated, axis=-1).mean())


class ApertureCorrelation(Measure):
    """Pearson correlation over time of the generated mouth's aperture with the truth's; NaN if either never moves."""

    labels = (APERTURE,)

    def __init__(self) -> None:
        self._count = 0
        self._mean = np.zeros(2)
        self._moments = np.zeros((2, 2))  # sums of products of deviations from the mean, updated as Welford does

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.landmarks is None:
            return
        apertures = np.array([lip_aperture(landmarks) for landmarks in frame.landmarks])
        self._count += 1
        before = apertures - self._mean
        self._mean += before / self._count
        self._moments += np.outer(before, apertures - self._mean)

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        spread = np.sqrt(self._moments[0, 0] * self._moments[1, 1])
        return (float(self._moments[0, 1] / spread) if spread > 0 else float("nan"),)
