"""Comparisons of systems: Holm's correction, paired tests, differences of incomplete ratings, Bradley-Terry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import PermutationMethod, wilcoxon

from dd_tools.evaluation.study.comparison import compare, differences, holm, rank_test, signed_rank_test
from dd_tools.evaluation.study.preference import PRIOR, bradley_terry, strengths


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5], [0.5]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([np.nan, 0.02, 0.03], [np.nan, 0.04, 0.04]),
        ([], []),
    ],
)
def test_holm(values, expected):
    assert holm(values) == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(values):
    corrected = holm(values)
    for one, value in zip(corrected, values, strict=True):
        assert value <= one <= min(len(values) * value, 1) or one == pytest.approx(max(corrected))
    assert sorted(range(len(values)), key=lambda i: (values[i], i)) == sorted(
        range(len(values)), key=lambda i: (corrected[i], values[i], i)
    )


def test_the_rank_test_pairs_each_rater_with_himself():
    """Eight raters all differ by half a point, however much they differ among each other: p = 2 / 2⁸."""
    first = np.array([[1.0, 1.5], [5, 4], [2, 2], [3, 3], [4, 4], [1, 2], [5, 5], [2, 3]])
    assert rank_test(first, first - 0.5) == pytest.approx(2 / 2**8)
    assert rank_test(first, first) == 1
    shuffled = first[::-1] - 0.5
    assert rank_test(first, shuffled) > 0.05


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [2, 5, 8, 25])
def test_the_signed_rank_test_is_scipys(count, seed):
    """Without ties the exact one, with ties and zeros the one that tries all signs."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(count)
    assert signed_rank_test(values) == pytest.approx(wilcoxon(values, method="exact").pvalue)
    if count <= 8:
        values = rng.integers(-2, 3, count) / 3
        values[0] = 1 / 3
        every = wilcoxon(values, zero_method="pratt", method=PermutationMethod(n_resamples=np.inf))
        assert signed_rank_test(values) == pytest.approx(every.pvalue)


def test_the_rank_test_leaves_out_raters_who_did_not_see_one_of_the_systems():
    first, second = np.full((8, 3), 4.0), np.full((8, 3), 3.0)
    second[7] = np.nan
    assert rank_test(first, second) == rank_test(first[:7], second[:7]) == pytest.approx(2 / 2**7)
    assert np.isnan(rank_test(first * np.nan, second))
    assert np.isnan(rank_test(first[:5], second[:5]))  # with so few, no p is below 0.05


def test_differences_of_complete_ratings_are_differences():
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 6, (2, 7, 4)).astype(float)
    assert differences(first, second) == pytest.approx(first - second)


def test_differences_of_incomplete_ratings_have_the_difference_of_the_means_as_their_mean():
    rng = np.random.default_rng(1)
    first, second = rng.integers(1, 6, (2, 7, 4)).astype(float)
    first[rng.random(first.shape) < 0.4] = np.nan
    second[rng.random(first.shape) < 0.6] = np.nan
    assert np.nanmean(differences(first, second)) == pytest.approx(np.nanmean(first) - np.nanmean(second))


def test_all_pairs_are_compared_and_corrected_together():
    rng = np.random.default_rng(2)
    base = rng.integers(2, 4, (12, 5)).astype(float)
    found = compare({"good": base + 2, "fair": base, "same": base}, (-4, 4))
    assert [(one.first, one.second) for one in found] == [("good", "fair"), ("good", "same"), ("fair", "same")]
    assert [one.difference.mean for one in found] == [2, 2, 0]
    assert found[0].p == pytest.approx(3 * 2 / 2**12) and found[2].p == 1
    assert found[0].difference.low == found[0].difference.high == 2


def likely_strengths(wins: np.ndarray) -> np.ndarray:
    """Bradley-Terry strengths by maximising the likelihood of the wins (S, S) with a general optimiser."""
    count = len(wins)
    wins = wins + PRIOR * (wins + wins.T > 0)

    def cost(strength: np.ndarray) -> float:
        return sum(
            wins[i, j] * np.log1p(np.exp(strength[j] - strength[i]))
            for i in range(count)
            for j in range(count)
            if i != j
        )

    found = minimize(cost, np.zeros(count), method="BFGS", options={"gtol": 1e-8}).x
    return found - found.mean()


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_strengths_are_the_most_likely_ones(seed, count):
    wins = np.random.default_rng(seed).integers(0, 8, (count, count)).astype(float)
    np.fill_diagonal(wins, 0)
    if (np.linalg.matrix_power((wins + wins.T > 0) + np.eye(count), count) == 0).any():
        return  # some systems were never compared, not even through others
    assert bradley_terry(wins[None])[0] == pytest.approx(likely_strengths(wins), abs=1e-3)


def test_a_system_that_always_wins_is_strong_but_not_infinitely():
    wins = np.zeros((10, 4, 2, 2))
    wins[..., 0, 1] = 1
    best, worst = strengths(wins, ["best", "worst"])
    assert best.wins == 1 and 0.85 < best.chance < 1
    assert best.low < best.chance - 0.02 and best.chance < best.high <= 1
    assert worst.chance == pytest.approx(1 - best.chance)


def test_equal_systems_are_equally_strong():
    wins = np.random.default_rng(3).integers(0, 2, (40, 6, 3, 3)).astype(float)
    for one in strengths(wins, ["a", "b", "c"]):
        assert one.low < 0.5 < one.high


def test_the_interval_of_strengths_covers_the_known_truth():
    """95 of 100, or more. Systems at log odds 1.5, 0 and −1.5."""
    truth = np.array([1.5, 0.0, -1.5])
    chances = 1 / (1 + np.exp(truth[None] - truth[:, None]))  # [s, t]: of s to be preferred to t
    covered = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wins = np.zeros((8, 5, 3, 3))
        for one, other in ((0, 1), (0, 2), (1, 2)):
            wins[..., one, other] = rng.random((8, 5)) < chances[one, other]
            wins[..., other, one] = 1 - wins[..., one, other]
        for found, value in zip(strengths(wins, ["a", "b", "c"]), 1 / (1 + np.exp(-truth)), strict=True):
            covered.append(found.low <= value <= found.high)
            assert found.high - found.low < 0.5
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize("shape", [(1, 6), (6, 1)])
def test_one_rater_or_one_clip_gives_no_interval(shape):
    wins = np.random.default_rng(0).integers(0, 2, (*shape, 2, 2)).astype(float)
    assert all(np.isnan(one.low) and np.isnan(one.high) for one in strengths(wins, ["a", "b"]))
