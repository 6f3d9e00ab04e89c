"""How many raters and clips a study needs: simulated studies of two systems whose difference is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from dd_tools.errors import UsageError
from dd_tools.evaluation.study.comparison import differences
from dd_tools.evaluation.study.opinion import estimate
from dd_tools.evaluation.study.scenarios import SCALE
from dd_tools.reporting import SILENT, Reporter

MIDDLE = 3.5  # mean of the latent qualities of the two systems
MAX_LATENT = 6.0


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the opinions, in points of the scale, before they are rounded to it.

    rater: how high a rater rates in general. clip: how high a clip is rated in general. taste: how much a rater
    prefers one system. fit: how much better a system does on one clip. noise: of each single rating. The defaults are
    of the size that Janowski & Pinson (2015, "The accuracy of subjects in a quality experiment: a theoretical subject
    model") found for video quality: about 0.3 for raters, and 0.7 for single ratings.
    """

    rater: float = 0.3
    clip: float = 0.3
    taste: float = 0.2
    fit: float = 0.2
    noise: float = 0.7


TYPICAL = Spread()


def simulate(quality: np.ndarray, raters: int, clips: int, spread: Spread, rng: np.random.Generator) -> np.ndarray:
    """Ratings (S, raters, clips) of systems with the latent `quality` (S,)."""
    systems = len(quality)
    opinions = (
        quality[:, None, None]
        + spread.rater * rng.standard_normal((1, raters, 1))
        + spread.clip * rng.standard_normal((1, 1, clips))
        + spread.taste * rng.standard_normal((systems, raters, 1))
        + spread.fit * rng.standard_normal((systems, 1, clips))
        + spread.noise * rng.standard_normal((systems, raters, clips))
    )
    return np.clip(np.rint(opinions), min(SCALE), max(SCALE))


def expected_score(quality: float, spread: Spread) -> float:
    """The mean of the ratings, from 1 to 5, of a system with this latent quality."""
    total = math.sqrt(sum(one**2 for one in vars(spread).values()))
    limits = np.arange(min(SCALE), max(SCALE)) + 0.5
    return min(SCALE) + float(norm.sf((limits - quality) / total).sum())


def latent_difference(difference: float, spread: Spread) -> float:
    """How far apart the latent qualities of two systems are whose mean opinion scores differ by `difference`.

    That is more than the scores, as the scale ends. Raises `UsageError` for a difference that is too large.
    """

    def excess(latent: float) -> float:
        high, low = (expected_score(MIDDLE + side * latent / 2, spread) for side in (1, -1))
        return high - low - difference

    if excess(MAX_LATENT) < 0:
        raise UsageError(
            f"difference {difference:g} is too large, expected up to {difference + excess(MAX_LATENT):.1f}"
        )
    return float(brentq(excess, 0, MAX_LATENT))


def power_table(
    difference: float,
    raters: Sequence[int],
    clips: Sequence[int],
    *,
    studies: int,
    seed: int,
    spread: Spread = TYPICAL,
    reporter: Reporter = SILENT,
) -> np.ndarray:
    """The `power` for each number of raters and each number of clips, (len(raters), len(clips))."""
    sizes = [(one, other) for one in raters for other in clips]
    steps = reporter.progress(sizes, len(sizes), "simulating")
    shares = [power(difference, *size, spread, studies=studies, seed=seed) for size in steps]
    return np.reshape(shares, (len(raters), len(clips)))


def power(difference: float, raters: int, clips: int, spread: Spread, *, studies: int, seed: int) -> float:
    """The share of `studies` in which the interval of the difference, over raters and clips, does not contain 0.

    difference: of the mean opinion scores.
    """
    rng = np.random.default_rng(seed)
    latent = latent_difference(difference, spread)
    quality = MIDDLE + np.array([latent, -latent]) / 2
    found = 0
    for _ in range(studies):
        first, second = simulate(quality, raters, clips, spread, rng)
        interval = estimate(differences(first, second))
        found += interval.low > 0 or interval.high < 0
    return found / studies
