"""Deterministic sampling: against diffusers, Eq. 1, and a perfect network."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.diffdub.diffusion import NUM_TIMESTEPS, estimate_image, q_sample, signal_and_noise
from dd_tools.diffdub.sampling import ddim_sample, sampling_timesteps


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def square(size=8):
    """A mask (1, 1, S, S) that is 1 in the middle."""
    mask = torch.zeros(1, 1, size, size)
    mask[:, :, 3:7, 2:6] = 1
    return mask


def as_denoiser(network):
    """The estimate of the image by a network that predicts the noise."""
    return lambda xt, t: estimate_image("epsilon", xt, t, network(xt, t))


@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [
        (1, [0]),
        (2, [500, 0]),
        (3, [666, 333, 0]),
        (20, [*range(950, -1, -50)]),
        (7, [857, 714, 571, 428, 285, 142, 0]),  # no whole stride
        (1000, [*range(999, -1, -1)]),
    ],
)
def test_timesteps_are_multiples_of_the_stride_walked_down(num_steps, expected):
    assert sampling_timesteps(num_steps) == expected


@given(num_steps=st.integers(1, NUM_TIMESTEPS))
def test_any_number_of_steps_goes_evenly_from_noise_to_zero(num_steps):
    timesteps = sampling_timesteps(num_steps)
    assert len(timesteps) == num_steps and timesteps[-1] == 0
    assert timesteps[0] >= 1000 - 1000 / num_steps - 1
    strides = [now - following for now, following in itertools.pairwise(timesteps)]
    assert max(strides, default=1) - min(strides, default=1) <= 1 and min(strides, default=1) > 0


@pytest.mark.parametrize("num_steps", [0, 1001, -1])
def test_impossible_numbers_of_steps_are_refused(num_steps):
    with pytest.raises(ValueError, match=f"num_steps must be from 1 to 1000, got {num_steps}"):
        sampling_timesteps(num_steps)


@pytest.mark.parametrize("num_steps", [1, 5, 20])
def test_ddim_without_a_mask_is_that_of_diffusers(num_steps):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(
        NUM_TIMESTEPS,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        clip_sample=True,
        set_alpha_to_one=True,
        timestep_spacing="leading",
        steps_offset=0,
    )
    scheduler.set_timesteps(num_steps)

    def network(x, t):
        return torch.tanh(x.roll(1, -1)) * (0.5 + t[:, None, None, None] / 2000)

    xT = noise(2, 3, 8, 8)
    found = ddim_sample(as_denoiser(network), xT, torch.zeros(2, 3, 8, 8), torch.ones(2, 1, 8, 8), num_steps)
    expected = xT
    for t in scheduler.timesteps:
        output = network(expected, t.expand(2))
        # The released sampler computes the noise anew from the clipped image; diffusers has a name for that.
        expected = scheduler.step(output, t, expected, use_clipped_model_output=True).prev_sample
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("num_steps", [1, 7, 20])
def test_known_pixels_enter_clean_at_every_step(num_steps):
    """Eq. 1, seen by a network that looks at what it is given."""
    x0, mask, seen = noise(2, 3, 8, 8, seed=1).clamp(-1, 1), square().expand(2, 1, 8, 8), []

    def spy(xt, t):
        seen.append((t.tolist(), xt.clone()))
        return noise(2, 3, 8, 8, seed=len(seen))

    ddim_sample(as_denoiser(spy), noise(2, 3, 8, 8), x0, mask, num_steps)
    assert [t for t, _ in seen] == [[t, t] for t in sampling_timesteps(num_steps)]
    known = (mask == 0).expand(2, 3, 8, 8)
    assert all(torch.equal(xt[known], x0[known]) for _, xt in seen)
    assert all(not torch.isclose(xt[~known], x0[~known]).any() for _, xt in seen)


def test_the_first_input_is_the_shared_noise_under_the_mask():
    xT, mask, seen = noise(1, 3, 8, 8), square(), []
    ddim_sample(as_denoiser(lambda xt, t: seen.append(xt.clone()) or xt), xT, torch.zeros(1, 3, 8, 8), mask, 5)
    assert torch.equal(seen[0], xT * mask)


@pytest.mark.parametrize("num_steps", [1, 20])
def test_a_perfect_network_recovers_the_image(num_steps):
    """It predicts the noise that lies between the masked image and its input."""
    x0, mask = noise(2, 3, 8, 8, seed=1).clamp(-1, 1), square().expand(2, 1, 8, 8)

    def oracle(xt, t):
        signal, sigma = signal_and_noise(t)
        return (xt - signal * x0) / sigma

    # The schedule never reaches pure noise, so its start carries a trace of the image.
    start = q_sample(x0, torch.tensor([sampling_timesteps(num_steps)[0]] * 2), noise(2, 3, 8, 8))
    np.testing.assert_allclose(ddim_sample(as_denoiser(oracle), start, x0, mask, num_steps), x0, atol=2e-3)


@settings(max_examples=30)
@given(scale=st.floats(0, 100), num_steps=st.integers(1, 12))
def test_images_stay_in_range_whatever_the_network_says(scale, num_steps):
    painted = ddim_sample(
        as_denoiser(lambda xt, t: scale * xt), noise(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), square(4), num_steps
    )
    assert painted.isfinite().all() and painted.abs().max() <= 1
