"""Mean opinion scores with an interval that holds for other raters and other clips."""

import functools
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL, RESAMPLES, SEED = 0.95, 2000, 0
TOLERANCE, MAX_ROUNDS = 1e-9, 1000  # of effects of raters and clips


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; the interval is NaN with fewer than two raters or two clips."""

    mean: float
    low: float
    high: float


def estimate(scores: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    """The mean of scores (raters, clips), NaN where a rater did not see a clip, with its interval.

    Raters and clips are resampled independently of each other (Owen 2007, "The pigeonhole bootstrap", Annals of Applied
    Statistics 1:386). These means have the right shape. But they spread too far, as they count the noise that is
    neither the rater's nor the clip's three times, and too little with few raters or clips. So their spread is scaled
    to `crossed_variance` and to the quantile of Student's t. bounds: ends of the scale, which no interval exceeds.
    """
    known = ~np.isnan(scores)
    scores = scores[known.any(1)][:, known.any(0)]
    mean = float(np.nanmean(scores)) if scores.size else np.nan
    if min(scores.shape) < 2:
        return Estimate(mean, np.nan, np.nan)
    variance, freedom = crossed_variance(scores)
    means = resampled_means(scores)
    quantiles = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - mean
    spread = means.std()
    normal, student = (one.ppf((1 + LEVEL) / 2) for one in (stats.norm, stats.t(freedom)))
    scale = student / normal * np.sqrt(variance) / spread if spread > 0 else 0.0
    low, high = np.clip(mean + scale * quantiles, *bounds)
    return Estimate(mean, float(low), float(high))


def crossed_variance(scores: np.ndarray) -> tuple[float, float]:
    """The variance of the mean of scores (R, C) over raters and clips, and its degrees of freedom.

    Raters, clips and the rest each add noise: the variance is that between raters plus that between clips minus that of
    the rest, which both contain (two-way random effects; for missing scores as in Cameron, Gelbach & Miller 2011). The
    degrees of freedom are Satterthwaite's (1946).
    """
    known = ~np.isnan(scores)
    raters, clips = scores.shape
    count = known.sum()
    errors = np.where(known, scores - np.nanmean(scores), 0.0)
    between_raters = np.square(errors.sum(1)).sum() / count**2 * raters / (raters - 1)
    between_clips = np.square(errors.sum(0)).sum() / count**2 * clips / (clips - 1)
    free = max(int(count) - raters - clips + 1, 1)
    rest = np.square(_interaction(errors, known)).sum() / free / count
    variance = max(between_raters + between_clips - rest, between_raters, between_clips)
    sizes = between_raters**2 / (raters - 1) + between_clips**2 / (clips - 1) + rest**2 / free
    return variance, max(variance**2 / sizes, 1.0) if sizes > 0 else np.inf


def _interaction(errors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What is left of the `known` errors (R, C) after the best sum of an effect of the rater and one of the clip.

    Both effects are the means of what the other leaves, in turn until they stay; at once if nothing is missing.
    """
    left = errors
    for _ in range(MAX_ROUNDS):
        before = left
        for axis in (0, 1):
            mean = left.sum(axis, keepdims=True) / known.sum(axis, keepdims=True)
            left = np.where(known, left - mean, 0.0)
        if np.abs(left - before).max() < TOLERANCE:
            break
    return left


def resampled_means(scores: np.ndarray) -> np.ndarray:
    """The means (`RESAMPLES`,) of scores (R, C) with raters and clips drawn independently with replacement."""
    known = ~np.isnan(scores)
    values = np.where(known, scores, 0.0)
    raters, clips = resampling_weights(*scores.shape)
    sums, counts = ((raters @ part * clips).sum(1) for part in (values, known))
    return sums[counts > 0] / counts[counts > 0]


@functools.cache
def resampling_weights(raters: int, clips: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each rater, (`RESAMPLES`, R), and each clip, (`RESAMPLES`, C), is drawn in each resample."""
    rng = np.random.default_rng(SEED)
    return tuple(
        rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float) for count in (raters, clips)
    )
