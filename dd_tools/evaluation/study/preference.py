"""Strengths of systems from preferences between pairs (Bradley & Terry 1952)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dd_tools.evaluation.study.opinion import LEVEL, resampling_weights

# Wins that each system is given over each other before the count, so that one that always wins has a finite strength.
PRIOR = 0.5
TOLERANCE, MAX_ITERATIONS = 1e-6, 1000


@dataclass(frozen=True)
class Strength:
    """A system's chance to be preferred to an average one, 0 to 1, with its 95 % interval; wins: its share of wins."""

    system: str
    chance: float
    low: float
    high: float
    wins: float


def strengths(wins: np.ndarray, systems: Sequence[str]) -> list[Strength]:
    """The strength of each of S systems. wins (R, C, S, S): how often rater r preferred system s to t in clip c.

    The interval is that of a bootstrap in which raters and clips are drawn independently of each other (Owen 2007).
    """
    raters, clips = resampling_weights(*wins.shape[:2])
    resampled = np.einsum("br,bc,rcst->bst", raters, clips, wins, optimize=True)
    chances = 1 / (1 + np.exp(-bradley_terry(resampled)))
    ends = np.quantile(chances, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    total = wins.sum((0, 1))
    shares = total.sum(1) / np.maximum(total.sum(1) + total.sum(0), 1)
    best = 1 / (1 + np.exp(-bradley_terry(total[None])[0]))
    return [
        Strength(name, *map(float, (best[one], ends[0, one], ends[1, one], shares[one])))
        for one, name in enumerate(systems)
    ]


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
