"""Which systems differ: differences of mean opinion scores, and Wilcoxon's test with Holm's correction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata, wilcoxon

from dd_tools.evaluation.study.opinion import Estimate, estimate

MIN_RATERS = 6  # with fewer, no p is below 0.05
LARGEST_EXACT = 200  # differences


@dataclass(frozen=True)
class Comparison:
    """Two systems. difference: of the mean scores, first minus second, with an interval over raters and clips.

    p: of Wilcoxon's signed-rank test over raters, for these clips, after Holm's correction.
    """

    first: str
    second: str
    difference: Estimate
    p: float


def compare(scores: Mapping[str, np.ndarray], bounds: tuple[float, float]) -> list[Comparison]:
    """All pairs of systems.

    scores: of each system, (raters, clips), NaN where a rater did not see a clip. bounds: least and largest difference.
    """
    pairs = list(combinations(scores, 2))
    tests = holm([rank_test(scores[one], scores[other]) for one, other in pairs])
    return [
        Comparison(one, other, estimate(differences(scores[one], scores[other]), bounds), p)
        for (one, other), p in zip(pairs, tests, strict=True)
    ]


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A matrix (R, C) whose mean is the difference of the mean scores, each cell with its share in that difference.

    If every rater saw every clip of both, it is `first` minus `second`. Otherwise each score counts for as many cells
    as there are for each score of its system.
    """
    known = ~(np.isnan(first) & np.isnan(second))
    if np.isnan(first).all() or np.isnan(second).all():
        return np.full(first.shape, np.nan)
    mean = np.nanmean(first) - np.nanmean(second)
    shares = [(one - np.nanmean(one)) * known.sum() / np.count_nonzero(~np.isnan(one)) for one in (first, second)]
    return np.where(known, mean + np.nan_to_num(shares[0]) - np.nan_to_num(shares[1]), np.nan)


def rank_test(first: np.ndarray, second: np.ndarray) -> float:
    """The p of Wilcoxon's signed-rank test on the raters' mean scores of two systems, (R, C) each.

    Raters who did not see both systems are left out. NaN for fewer than `MIN_RATERS`.
    """
    seen = ~(np.isnan(first).all(1) | np.isnan(second).all(1))
    if np.count_nonzero(seen) < MIN_RATERS:
        return np.nan
    return signed_rank_test(np.nanmean(first[seen], 1) - np.nanmean(second[seen], 1))


def signed_rank_test(differences: np.ndarray) -> float:
    """The exact two-sided p of Wilcoxon's signed-rank test (1945) of differences (N,), also with ties.

    Differences of zero are ranked and then left out (Pratt 1959). SciPy enumerates the 2^N signs if there are ties,
    which takes a second for 12 raters, and approximates the p of more. Here p is
    exact up to `LARGEST_EXACT` differences.
    """
    differences = np.round(differences, 9)  # so that equal ones are ties
    if len(differences) > LARGEST_EXACT:
        return float(wilcoxon(differences, zero_method="pratt", method="approx").pvalue) if differences.any() else 1.0
    ranks = np.rint(2 * rankdata(np.abs(differences))).astype(int)  # doubled, as ties share half ranks
    chances = np.ones(1)  # of each sum of the ranks of positive differences
    for rank in ranks[differences != 0]:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    found = ranks[differences > 0].sum()
    return float(min(1.0, 2 * min(chances[: found + 1].sum(), chances[found:].sum())))


def holm(values: Sequence[float]) -> list[float]:
    """The p values after Holm's correction for testing all of them (1979), in the same order; NaN stays."""
    values = np.asarray(values, float)
    order = np.argsort(values)  # NaN last
    count = np.count_nonzero(~np.isnan(values))
    steps = values[order][:count] * np.arange(count, 0, -1)
    corrected = np.full(len(values), np.nan)
    corrected[order[:count]] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()
