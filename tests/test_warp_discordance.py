"""The discordance of two tracks, against Lin's concordance correlation coefficient."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.warp.motion_loss import STILL, discordance

SEEDS = st.integers(0, 2**31)


def found(one: np.ndarray, other: np.ndarray) -> float:
    """The discordance of two tracks (T,)."""
    valid = torch.ones(1, len(one), dtype=torch.bool)
    return discordance(*(torch.from_numpy(track)[None] for track in (one, other)), valid).item()


def standardised(seed: int, length: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Two uncorrelated tracks (T,) of mean 0 and standard deviation 1."""
    tracks = np.random.default_rng(seed).standard_normal((length, 2))
    orthogonal = np.linalg.qr(tracks - tracks.mean(0))[0] * np.sqrt(length)
    return orthogonal[:, 0], orthogonal[:, 1]


def concordance(one: np.ndarray, other: np.ndarray) -> float:
    """Lin's coefficient (1989)."""
    (variance, covariance), (_, other_variance) = np.cov(one, other, bias=True)
    return 2 * covariance / (variance + other_variance + (one.mean() - other.mean()) ** 2)


@given(SEEDS, st.integers(5, 300), st.floats(-1, 1), st.floats(0.1, 10))
@settings(deadline=None)
def test_of_large_tracks_it_is_one_minus_lins_coefficient_without_the_means(seed, length, share, gain):
    one, other = np.random.default_rng(seed).standard_normal((2, length)) * 1e4
    other = gain * (share * one + (1 - abs(share)) * other)
    expected = 1 - concordance(one - one.mean(), other - other.mean())
    assert found(one, other) == pytest.approx(expected, abs=1e-3)


@given(SEEDS, st.floats(0, 1), st.floats(-5, 5))
@settings(deadline=None)
def test_of_small_tracks_the_variances_are_increased_by_that_of_a_still_face(seed, std, gain):
    one, independent = standardised(seed)
    other = gain * one + independent
    expected = 1 - 2 * gain * std**2 / (std**2 + std**2 * (gain**2 + 1) + STILL**2)
    assert found(std * one, std * other) == pytest.approx(expected, abs=1e-6)


def test_tracks_that_agree_that_are_independent_and_that_are_opposite():
    one, independent = standardised(0)
    assert found(one, one) == pytest.approx(0.0431, abs=1e-4)  # 0.09 / 2.09
    assert found(one, independent) == pytest.approx(1, abs=1e-9)
    assert found(one, -one) == pytest.approx(2 - 0.0431, abs=1e-4)


@pytest.mark.parametrize("correlation", [0.3, 0.6, 1.0])
def test_the_amplitude_of_the_other_track_is_best_whatever_the_correlation(correlation):
    """The squared error is least with the amplitude times the correlation, which is too small."""
    one, independent = standardised(0)
    track = 10 * (correlation * one + np.sqrt(1 - correlation**2) * independent)
    best, *others = (found(gain * track, 10 * one) for gain in (1, 0.5, 0.9, 1.1, 2))
    assert best < min(others)
    assert best == pytest.approx(1 - correlation, abs=1e-3)
    assert others[0] == pytest.approx(1 - 0.8 * correlation, abs=1e-3)


@given(SEEDS, st.floats(-100, 100))
@settings(deadline=None)
def test_it_does_not_depend_on_the_means_or_the_order_of_the_tracks(seed, shift):
    one, other = np.random.default_rng(seed).standard_normal((2, 50))
    assert found(one + shift, other) == pytest.approx(found(one, other), abs=1e-6)
    assert found(other, one) == pytest.approx(found(one, other), abs=1e-12)


@pytest.mark.parametrize("padding", [9.0, 1e6, torch.nan])
def test_padding_does_not_count(padding):
    one, other = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lengths = torch.tensor([20, 13, 2])
    valid = torch.arange(20) < lengths[:, None]
    result = discordance(torch.where(valid, one, padding), torch.where(valid, other, padding), valid)
    expected = [found(one[row, :length].numpy(), other[row, :length].numpy()) for row, length in enumerate(lengths)]
    np.testing.assert_allclose(result, expected, atol=1e-9)


@pytest.mark.parametrize(("length", "amplitude", "slope"), [(20, 1.0, -1), (20, 0.0, 0), (1, 1.0, 0), (0, 1.0, 0)])
def test_a_track_that_does_not_move_can_be_trained_to_move_as_the_other(length, amplitude, slope):
    """Its discordance is 1. The gradient is finite, points away from a moving track, and is 0 for one that is still."""
    still, valid = torch.full((1, 20), 0.3, requires_grad=True), torch.arange(20)[None] < length
    other = amplitude * torch.sin(torch.arange(20.0))[None]
    result = discordance(still, other, valid)
    assert result.item() == pytest.approx(1, abs=1e-6)
    (gradient,) = torch.autograd.grad(result.sum(), still)
    assert gradient.isfinite().all() and not gradient[~valid].any()
    assert np.sign(round((gradient * other).sum().item(), 6)) == slope


def test_faces_that_hardly_move_have_little_influence():
    one, _ = standardised(0)
    assert found(0.03 * one, 0.03 * one) == pytest.approx(1, abs=0.02)
    assert found(0.03 * one, -0.03 * one) == pytest.approx(1, abs=0.02)
