"""Intervals of mean opinion scores, against the textbook's analysis of variance and against studies of known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opinion_raters import Opinions, attentive, made_up_key, result_of
from scipy.stats import t

from dd_tools.evaluation.study.analysis import agreement, rating_matrices, score_study
from dd_tools.evaluation.study.opinion import _interaction, crossed_variance, estimate, resampled_means

QUALITY = {"ours": 4.2, "wav2lip": 3.0, "iplap": 3.5, "anchor": 2.0}


def ratings(raters: int, clips: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = 3 + rng.normal(0, 0.6, (raters, 1)) + rng.normal(0, 0.5, (1, clips)) + rng.normal(0, 0.7, (raters, clips))
    return np.clip(np.rint(values), 1, 5)


def mean_squares(scores: np.ndarray) -> tuple[float, float, float]:
    """Between rows, between columns, and residual: the two-way table without replication of any textbook."""
    rows, columns = scores.shape
    grand, by_row, by_column = scores.mean(), scores.mean(1), scores.mean(0)
    rest = sum((scores[i, j] - by_row[i] - by_column[j] + grand) ** 2 for i in range(rows) for j in range(columns)) / (
        (rows - 1) * (columns - 1)
    )
    between = columns * sum((by_row - grand) ** 2) / (rows - 1), rows * sum((by_column - grand) ** 2) / (columns - 1)
    return *between, rest


@pytest.mark.parametrize(("raters", "clips", "seed"), [(12, 5, 0), (24, 10, 1), (4, 3, 2), (6, 40, 3)])
def test_the_variance_is_that_of_two_way_random_effects(raters, clips, seed):
    scores = ratings(raters, clips, seed)
    row, column, rest = mean_squares(scores)
    variance, freedom = crossed_variance(scores)
    assert variance == pytest.approx((row + column - rest) / scores.size)
    parts = row**2 / (raters - 1) + column**2 / (clips - 1) + rest**2 / ((raters - 1) * (clips - 1))
    assert freedom == pytest.approx((row + column - rest) ** 2 / parts)


def test_resampling_raters_and_clips_has_the_mean_of_the_scores():
    scores = ratings(12, 5)
    assert resampled_means(scores).mean() == pytest.approx(scores.mean(), abs=0.02)


def test_an_interval_of_many_raters_and_clips_is_students():
    scores = ratings(60, 40)
    variance, freedom = crossed_variance(scores)
    found = estimate(scores)
    assert found.high - found.low == pytest.approx(2 * t(freedom).ppf(0.975) * np.sqrt(variance), rel=0.08)
    assert found.low < scores.mean() == found.mean < found.high


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[4.0, 4.0], [4.0, 4.0]], (4, 4, 4)),  # all agree
        ([[1.0, 5.0]], (3, None, None)),  # one rater
        ([[1.0], [5.0]], (3, None, None)),  # one clip
        ([[5.0, 5.0], [5.0, 4.0]], (4.75, None, 5)),  # the scale ends at 5
    ],
)
def test_small_studies(scores, expected):
    found = estimate(np.array(scores), (1, 5))
    mean, low, high = expected
    assert found.mean == mean
    if high is None:
        assert np.isnan(found.low) and np.isnan(found.high)
    else:
        assert found.high == high
        assert low is None or found.low == low


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(2, 6))
def test_the_order_of_raters_and_clips_does_not_change_mean_and_variance(seed, raters, clips):
    scores, rng = ratings(raters, clips, seed), np.random.default_rng(seed)
    shuffled = rng.permutation(rng.permutation(scores), axis=1)
    assert crossed_variance(shuffled) == pytest.approx(crossed_variance(scores))
    assert estimate(shuffled).mean == pytest.approx(estimate(scores).mean)


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.6])
def test_what_raters_and_clips_do_not_explain_is_that_of_least_squares(missing):
    rng = np.random.default_rng(4)
    scores = ratings(9, 7)
    known = rng.random(scores.shape) >= missing
    known[np.arange(9), np.arange(9) % 7] = True
    errors = np.where(known, scores - scores[known].mean(), 0.0)
    row, column = np.nonzero(known)
    design = np.concatenate([np.eye(9)[row], np.eye(7)[column]], axis=1)
    rest = errors[known] - design @ np.linalg.lstsq(design, errors[known], rcond=None)[0]
    assert _interaction(errors, known)[known] == pytest.approx(rest, abs=1e-6)


def test_raters_and_clips_without_scores_do_not_count():
    scores = ratings(8, 4)
    wider = np.full((9, 6), np.nan)
    wider[:8, :4] = scores
    assert estimate(wider) == estimate(scores)


@pytest.mark.parametrize("per_clip", [None, 2])
def test_intervals_cover_the_known_truth(per_clip):
    """Of 4 × 150 intervals, 95 % cover; by chance between 92 and 98 % (the systems of a study share raters)."""
    covered = []
    for seed in range(150):
        key = made_up_key(scenarios=["N"], raters=16, clips=8, per_clip=per_clip, seed=seed)
        opinions = Opinions(QUALITY, np.random.default_rng(seed))
        results = [result_of(key, rater, attentive(key, rater, opinions)) for rater in key.sessions]
        for system, scores in rating_matrices(results, key, "N").items():
            found = estimate(scores, (1, 5))
            covered.append(found.low <= opinions.true_score(system) <= found.high)
    assert len(covered) == 600
    assert 0.92 <= np.mean(covered) <= 0.98


def test_agreement_is_krippendorffs():
    """The values of his example for four observers, "Computing Krippendorff's alpha-reliability" (2011), part C."""
    _ = np.nan
    data = np.array([
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ])  # fmt: skip
    assert agreement(data) == pytest.approx(0.815, abs=5e-4)  # ordinal
    assert np.isnan(agreement(data[:1])) and np.isnan(agreement(np.full((3, 4), 2.0)))


def test_scores_of_a_study_with_and_without_the_screened():
    key = made_up_key(raters=13)
    opinions = Opinions(QUALITY, np.random.default_rng(1))
    results = [result_of(key, rater, attentive(key, rater, opinions)) for rater in key.sessions]
    lazy = result_of(key, "13", [3] * len(key.sessions["13"]))
    scores = score_study([*results[:12], lazy], key)
    assert list(scores.screened) == ["13"]
    assert (scores.all.raters, scores.attentive.raters) == (13, 12)
    assert list(scores.attentive.scenarios) == ["MF", "N"]
    for scenario, own in scores.attentive.scenarios.items():
        everybody = scores.all.scenarios[scenario]
        assert own.agreement > everybody.agreement > 0
        for system, value in own.opinions.items():
            assert 13 * everybody.opinions[system].mean == pytest.approx(12 * value.mean + 3)
