"""How the generated lip aperture follows the truth's over time: correlation, amplitude and delay."""

import math
from array import array

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.face.landmarks import lip_aperture

MAX_DELAY = 5  # frames, in either direction
MIN_FRAMES = 10 * MAX_DELAY  # with both faces; shorter clips have no delay, because too few frames would overlap

LABELS = (
    Label("aperture_r", "aperture r", "", Better.HIGHER, 3, "pearson,inner-lip-61-67+62-66+63-65"),
    Label("aperture_ratio", "amplitude ratio", "", Better.NEAR_ONE, 2, "standard-deviations"),
    Label("lip_delay", "lip delay", "frames", Better.NEAR_ZERO, 0, f"best-aperture-r-within-{MAX_DELAY}-frames"),
    Label("aperture_r_delayed", "r at lip delay", "", Better.HIGHER, 3, "aperture-r-at-lip-delay"),
)


class LipAperture(Measure):
    """Compares the lip apertures of both videos over a clip.

    Four values: Pearson's correlation; the generated standard deviation divided by the truth's; the delay in frames of
    the generated lips at which the correlation is highest; the correlation at that delay. NaN if either aperture is
    constant; delay and correlation there are NaN for clips of fewer than `MIN_FRAMES` frames.
    """

    labels = LABELS

    def __init__(self) -> None:
        self._apertures = array("d")  # truth, generated, truth, ...

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`; a frame without both faces counts as a gap."""
        gap = (math.nan, math.nan)
        self._apertures.extend(gap if frame.landmarks is None else map(lip_aperture, frame.landmarks))

    @property
    def apertures(self) -> tuple[np.ndarray, np.ndarray]:
        """Lip apertures of the truth (N,) and of the generated video (N,) so far; NaN where either has no face."""
        truth, generated = np.frombuffer(self._apertures).reshape(-1, 2).T
        return truth, generated

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        truth, generated = self.apertures
        r = correlation(truth, generated)
        if math.isnan(r):
            return (math.nan,) * len(self.labels)
        known = ~np.isnan(truth)
        ratio = float(generated[known].std() / truth[known].std())
        return r, ratio, *lip_delay(truth, generated)


def lip_delay(truth: np.ndarray, generated: np.ndarray) -> tuple[float, float]:
    """The delay in frames of the generated lips at which the apertures correlate best, and that correlation.

    truth, generated: apertures (N,) in any unit, NaN in frames without a face. The delay is a whole number within
    `MAX_DELAY`, positive if the generated lips are late. Both are NaN if fewer than `MIN_FRAMES` frames have both
    apertures, or if either aperture is constant.
    """
    count = np.count_nonzero(~(np.isnan(truth) | np.isnan(generated)))
    if count < MIN_FRAMES or math.isnan(correlation(truth, generated)):
        return math.nan, math.nan
    delays = np.arange(-MAX_DELAY, MAX_DELAY + 1)
    correlations = [correlation(*_overlap(truth, generated, delay)) for delay in delays]
    best = int(np.nanargmax(correlations))
    return float(delays[best]), correlations[best]


def _overlap(truth: np.ndarray, generated: np.ndarray, delay: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts of both (N,) that coincide if `generated` is `delay` frames late."""
    if delay < 0:
        return _overlap(generated, truth, -delay)[::-1]
    return truth[: len(truth) - delay], generated[delay:]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's r over the items (N,) that both have; NaN if either is constant there."""
    known = ~(np.isnan(one) | np.isnan(other))
    if not known.any() or min(np.ptp(one[known]), np.ptp(other[known])) == 0:
        return math.nan
    return float(np.corrcoef(one[known], other[known])[0, 1])
