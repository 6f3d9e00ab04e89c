"""Strengths of systems from preferences between pairs (Bradley & Terry 1952)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from dd_tools.evaluation.study.opinion import LEVEL, crossed_variance

# Wins that each system is given over each other before the count, so that one that always wins has a finite strength.
PRIOR = 0.5
ENDS = (1 + LEVEL) / 2  # of the intervals, as a quantile
TOLERANCE, MAX_ITERATIONS = 1e-6, 1000


@dataclass(frozen=True)
class Strength:
    """A system's chance to be preferred to an average one, 0 to 1, with its 95 % interval; wins: its share of wins.

    The interval is NaN with fewer than two raters or two clips.
    """

    system: str
    chance: float
    low: float
    high: float
    wins: float


def strengths(wins: np.ndarray, systems: Sequence[str]) -> list[Strength]:
    """The strength of each of S systems. wins (R, C, S, S): how often rater r preferred system s to t in clip c."""
    total = wins.sum((0, 1))
    best = bradley_terry(total[None])[0]
    reach = _reach(wins, best)
    chances, low, high = (1 / (1 + np.exp(-value)) for value in (best, best - reach, best + reach))
    shares = total.sum(1) / np.maximum(total.sum(1) + total.sum(0), 1)
    return [
        Strength(name, *map(float, values)) for name, *values in zip(systems, chances, low, high, shares, strict=True)
    ]


def _reach(wins: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Half the width (S,) of the intervals of log strengths, the larger one of two.

    That of the model takes all answers for independent of each other; it is never zero, not even for a system that
    always wins. The other one is that over raters and clips: the variance of what each rater's answer to each clip adds
    to the log strengths, as for scores.
    """
    if min(wins.shape[:2]) < 2:
        return np.full(len(best), np.nan)
    covariance = _model_covariance(wins.sum((0, 1)), best)
    chance = 1 / (1 + np.exp(best[None] - best[:, None]))
    surplus = (wins - (wins + wins.swapaxes(2, 3)) * chance).sum(3)  # wins beyond those expected, (R, C, S)
    added = surplus @ covariance * wins.shape[0] * wins.shape[1]
    added[wins.sum((2, 3)) == 0] = np.nan  # clips that a rater did not see
    variances = [crossed_variance(added[..., system]) for system in range(len(best))]
    crossed = [student.ppf(ENDS, freedom) * np.sqrt(variance) for variance, freedom in variances]
    return np.maximum(crossed, norm.ppf(ENDS) * np.sqrt(np.diag(covariance)))


def _model_covariance(wins: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The inverse of the Fisher information (S, S) of log strengths with mean 0. wins (S, S), without `PRIOR`."""
    games = wins + wins.T + 2 * PRIOR * (wins + wins.T > 0)
    chance = 1 / (1 + np.exp(strength[None] - strength[:, None]))
    information = -games * chance * (1 - chance)
    np.fill_diagonal(information, 0)
    np.fill_diagonal(information, -information.sum(1))
    return np.linalg.pinv(information)


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """The log strengths (B, S), with mean 0, that make wins (B, S, S) most likely: P(s over t) = 1 / (1 + e^(t − s)).

    Hunter's MM algorithm (2004), with `PRIOR` added to the wins of each pair that was compared.
    """
    compared = wins + wins.swapaxes(1, 2) > 0
    wins = wins + PRIOR * compared
    games, total = wins + wins.swapaxes(1, 2), wins.sum(2)
    strength = np.ones_like(total)
    for _ in range(MAX_ITERATIONS):
        expected = (games / (strength[:, :, None] + strength[:, None, :])).sum(2)
        updated = np.where(expected > 0, total / np.maximum(expected, 1e-12), 1.0)
        updated /= np.exp(np.log(updated).mean(1, keepdims=True))
        done = np.abs(np.log(updated / strength)).max() < TOLERANCE
        strength = updated
        if done:
            break
    return np.log(strength)
