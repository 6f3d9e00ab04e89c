"""The linear filter of the warp motion model: a weighted sum of nearby speech, which is ridge regression."""

import numpy as np
import pytest
import torch

from dd_tools.warp.linear_filter import FILTER_NOISE, FILTER_RADIUS, LinearFilter

D, Z = 3, 4
TAPS = 2 * FILTER_RADIUS + 1


def random_filter() -> LinearFilter:
    torch.manual_seed(0)
    linear = LinearFilter(D, Z)
    torch.nn.init.normal_(linear.weight)
    return linear


def filtered(linear: LinearFilter, audio: np.ndarray | torch.Tensor) -> np.ndarray:
    return linear(torch.as_tensor(audio).float()[None])[0].numpy()


def at_latents(audio: np.ndarray) -> np.ndarray:
    """Audio (T₅₀, D) at the rate of latents: means of two, or of the last alone."""
    return np.stack([audio[start : start + 2].mean(0) for start in range(0, len(audio), 2)])


def windows(audio: np.ndarray, beyond: int = 0) -> np.ndarray:
    """What the filter takes for every latent, and for `beyond` more at both ends: (T₂₅ + 2 beyond, taps D)."""
    padded = np.pad(at_latents(audio), ((FILTER_RADIUS + beyond, FILTER_RADIUS + beyond), (0, 0)))
    return np.stack([padded[start : start + TAPS].ravel() for start in range(len(padded) - TAPS + 1)])


def recording(rng: np.random.Generator, latents: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((2 * latents, D)), rng.standard_normal((latents, Z))


def solved(*recordings: tuple[float, np.ndarray, np.ndarray]) -> np.ndarray:
    """The weights (taps D, Z) of the filter that is solved for these recordings."""
    linear = LinearFilter(D, Z)
    linear.solve((weight, torch.from_numpy(audio), torch.from_numpy(motion)) for weight, audio, motion in recordings)
    return linear.weight.numpy().transpose(2, 1, 0).reshape(-1, Z)


@pytest.mark.parametrize("frames", [1, 2, 7, 16, 17, 40])
def test_it_is_a_weighted_sum_of_the_audio_around_every_second_frame(frames):
    linear, audio = random_filter(), np.random.default_rng(0).standard_normal((frames, D))
    found = filtered(linear, audio)
    assert found.shape == (-(-frames // 2), Z)
    weights = linear.weight.numpy().transpose(2, 1, 0).reshape(-1, Z)
    np.testing.assert_allclose(found, windows(audio) @ weights, atol=1e-4)


@pytest.mark.parametrize("frame", [0, 19, 20, 39])
def test_it_hears_a_quarter_of_a_second_before_and_after(frame):
    linear, audio = random_filter(), torch.randn(40, D)
    changed = audio.clone()
    changed[frame] += 1
    is_changed = (filtered(linear, audio) != filtered(linear, changed)).any(1)
    np.testing.assert_array_equal(is_changed, abs(np.arange(20) - frame // 2) <= 6)


def test_solved_it_is_ridge_regression_on_all_recordings_by_their_weights():
    """Against the normal equations of all windows, those that reach beyond the ends of a recording too."""
    rng = np.random.default_rng(0)
    parts = [(0.5, *recording(rng, 40)), (2.0, *recording(rng, 25)), (1.0, *recording(rng, 5))]
    normal, cross, frames = 0.0, 0.0, 0.0
    for weight, audio, motion in parts:
        design, target = windows(audio, FILTER_RADIUS), np.pad(motion, ((FILTER_RADIUS, FILTER_RADIUS), (0, 0)))
        normal, cross = normal + weight * design.T @ design, cross + weight * design.T @ target
        frames += weight * len(motion)
    expected = np.linalg.solve(normal + FILTER_NOISE**2 * frames * np.eye(TAPS * D), cross)
    np.testing.assert_allclose(solved(*parts), expected, atol=1e-6)


def test_a_motion_that_is_a_filtered_speech_is_found_but_for_the_shrinkage():
    """White audio of large amplitude, against which the noise is nothing."""
    rng, linear = np.random.default_rng(1), random_filter()
    audio = 100 * rng.standard_normal((4000, D))
    found = solved((1.0, audio, filtered(linear, audio).astype(np.float64)))
    np.testing.assert_allclose(found, linear.weight.numpy().transpose(2, 1, 0).reshape(-1, Z), atol=0.02)


def test_unsolved_it_moves_nothing():
    assert not filtered(LinearFilter(D, Z), torch.randn(30, D)).any()
