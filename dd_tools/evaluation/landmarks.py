"""The mouth's shape against the truth's: landmark distance (LMD) and the correlation of lip apertures."""

from array import array

import numpy as np

from dd_tools.evaluation.frames import SIZE, FramePair
from dd_tools.evaluation.measure import Better, Label, Measure
from dd_tools.face.landmarks import MOUTH, lip_aperture

ALIGNED, RAW = LMD_KINDS = ("aligned", "raw")

MOST_DELAY = 5  # frames, either way
SHORTEST = 10 * MOST_DELAY  # frames: of fewer, a shift leaves too little to compare

APERTURE_LABELS = (
    Label("aperture_r", "aperture r", "", Better.HIGHER, 3, "pearson,inner-lip-61-67+62-66+63-65"),
    Label("aperture_ratio", "aperture spread", "", Better.NEAR_ONE, 2, "standard-deviations"),
    Label("lip_delay", "lip delay", "frames", Better.NEAR_ZERO, 0, f"best-aperture-r-within-{MOST_DELAY}-frames"),
    Label("aperture_r_delayed", "r at it", "", Better.HIGHER, 3, "aperture-r-at-lip-delay"),
)


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


class Aperture(Measure):
    """How the generated lips' opening over time follows the truth's: Pearson's correlation; its spread as a share of
    the truth's; how many frames later it fits best, and how well it does then. NaN where either never moves, and of the
    delay for clips too short to shift.
    """

    labels = APERTURE_LABELS

    def __init__(self) -> None:
        self._values = array("d")  # truth, generated, truth, ...

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`; a frame without both faces is a gap."""
        nothing = (np.nan, np.nan)
        self._values.extend(nothing if frame.landmarks is None else map(lip_aperture, frame.landmarks))

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        truth, generated = np.frombuffer(self._values).reshape(-1, 2).T
        together = _correlation(truth, generated)
        if np.isnan(together):
            return (np.nan,) * len(self.labels)
        seen = ~np.isnan(truth)
        ratio = float(generated[seen].std() / truth[seen].std())
        if seen.sum() < SHORTEST:
            return together, ratio, np.nan, np.nan
        delays = np.arange(-MOST_DELAY, MOST_DELAY + 1)
        fits = [_correlation(*_shifted(truth, generated, delay)) for delay in delays]
        best = int(np.nanargmax(fits))
        return together, ratio, float(delays[best]), fits[best]


def _shifted(truth: np.ndarray, generated: np.ndarray, delay: int) -> tuple[np.ndarray, np.ndarray]:
    """What of both (N,) overlaps when `generated` is taken to come `delay` frames late."""
    if delay < 0:
        return _shifted(generated, truth, -delay)[::-1]
    return truth[: len(truth) - delay], generated[delay:]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's r over what both (N,) have; NaN if either never moves there."""
    both = ~(np.isnan(one) | np.isnan(other))
    if not both.any() or min(np.ptp(one[both]), np.ptp(other[both])) == 0:
        return float("nan")
    return float(np.corrcoef(one[both], other[both])[0, 1])
