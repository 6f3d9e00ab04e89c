"""Deterministic sampling: against diffusers, an exact solution, Eq. 1, and a perfect network."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.diffdub.diffusion import NUM_TIMESTEPS, estimate_image, q_sample, signal_and_noise
from dd_tools.diffdub.sampling import SOLVERS, quadratic_timesteps, sample, sampling_timesteps

SPACINGS = (sampling_timesteps, quadratic_timesteps)
of_every_solver = pytest.mark.parametrize("solver", SOLVERS)


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


@pytest.mark.parametrize(
    ("num_steps", "expected"),
    [
        (1, [999]),
        (2, [999, 250]),
        (4, [999, 562, 250, 62]),
        (10, [999, 809, 639, 490, 360, 250, 160, 90, 40, 10]),
        (1000, [*range(999, -1, -1)]),
    ],
)
def test_timesteps_of_fast_solvers_go_like_squares(num_steps, expected):
    assert quadratic_timesteps(num_steps) == expected


@given(num_steps=st.integers(1, NUM_TIMESTEPS))
def test_fast_solvers_begin_at_the_last_timestep_and_repeat_none(num_steps):
    timesteps = quadratic_timesteps(num_steps)
    assert len(timesteps) == num_steps and timesteps[0] == NUM_TIMESTEPS - 1 and timesteps[-1] >= 0
    assert all(now > following for now, following in itertools.pairwise(timesteps))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("num_steps", [0, 1001, -1])
def test_impossible_numbers_of_steps_are_refused(num_steps, spacing):
    with pytest.raises(ValueError, match=f"num_steps must be from 1 to 1000, got {num_steps}"):
        spacing(num_steps)


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
    found = sample(as_denoiser(network), xT, torch.zeros(2, 3, 8, 8), torch.ones(2, 1, 8, 8), num_steps)
    expected = xT
    for t in scheduler.timesteps:
        output = network(expected, t.expand(2))
        # The released sampler computes the noise anew from the clipped image; diffusers has a name for that.
        expected = scheduler.step(output, t, expected, use_clipped_model_output=True).prev_sample
    np.testing.assert_allclose(found, expected, atol=1e-4)


def diffusers_scheduler(solver, timesteps):
    """The scheduler of diffusers, which takes estimates of the image, at these timesteps."""
    diffusers = pytest.importorskip("diffusers")
    common = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "prediction_type": "sample"}
    common |= {"solver_order": 2, "lower_order_final": True, "final_sigmas_type": "zero"}
    if solver == "dpm-solver++":
        scheduler = diffusers.DPMSolverMultistepScheduler(
            NUM_TIMESTEPS, algorithm_type="dpmsolver++", solver_type="midpoint", **common
        )
        scheduler.set_timesteps(timesteps=timesteps)
        return scheduler
    scheduler = diffusers.UniPCMultistepScheduler(NUM_TIMESTEPS, solver_type="bh2", predict_x0=True, **common)
    scheduler.set_timesteps(len(timesteps))
    # It has no argument for timesteps.
    scheduler.timesteps = torch.tensor(timesteps)
    sigmas = (1 / scheduler.alphas_cumprod[timesteps] - 1).sqrt()
    scheduler.sigmas = torch.cat([sigmas, torch.zeros(1)])
    return scheduler


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of numpy about diffusers
@pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 6, 10, 20])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("solver", ["dpm-solver++", "unipc"])
def test_fast_solvers_without_a_mask_are_those_of_diffusers(solver, spacing, num_steps, monkeypatch):
    monkeypatch.setitem(SOLVERS, solver, replace(SOLVERS[solver], timesteps=spacing))

    def denoise(xt, t):
        return torch.tanh(xt.roll(1, -1)) * (0.9 - t[:, None, None, None] / 2000)

    xT = expected = noise(2, 3, 8, 8)
    found = sample(denoise, xT, torch.zeros(2, 3, 8, 8), torch.ones(2, 1, 8, 8), num_steps, solver)
    scheduler = diffusers_scheduler(solver, spacing(num_steps))
    for t in scheduler.timesteps:
        expected = scheduler.step(denoise(expected, t.expand(2)), t, expected).prev_sample
    np.testing.assert_allclose(found, expected, atol=1e-4)


def ideal_denoiser(mean, std):
    """E[x0 | x_t] for pixels that are independent and normally distributed."""

    def denoise(xt, t):
        signal, sigma = signal_and_noise(t)
        return mean + std**2 * signal * (xt - signal * mean) / (signal**2 * std**2 + sigma**2)

    return denoise


def exact_estimate(mean, std, xT, t):
    """What `ideal_denoiser` says at timestep t on the exact solution of the ODE from xT at timestep 999.

    The solution keeps every pixel at the same quantile of x_t, which is normally distributed, too.
    """
    signal, sigma = signal_and_noise(torch.tensor([999, t]))
    mean_xt, std_xt = signal * mean, (signal**2 * std**2 + sigma**2).sqrt()
    return ideal_denoiser(mean, std)(mean_xt[1] + std_xt[1] * (xT - mean_xt[0]) / std_xt[0], torch.tensor([t]))


@pytest.mark.parametrize(
    ("solver", "lowest", "highest"), [("ddim", 1.8, 2.3), ("dpm-solver++", 3.4, 4.6), ("unipc", 5, 10)]
)
@pytest.mark.parametrize(("mean", "std"), [(0.1, 0.2), (-0.2, 0.3), (0, 0.5)])
def test_the_error_falls_with_the_order_of_the_solver_when_steps_are_doubled(
    solver, lowest, highest, mean, std, monkeypatch
):
    """Twofold, fourfold, and about eightfold, as the corrector raises the order by one."""
    monkeypatch.setitem(SOLVERS, solver, replace(SOLVERS[solver], timesteps=quadratic_timesteps))
    xT = torch.linspace(-1.5, 1.5, 48).reshape(1, 3, 4, 4)

    def error(num_steps):
        found = sample(ideal_denoiser(mean, std), xT, 0 * xT, torch.ones(1, 1, 4, 4), num_steps, solver)
        return (found - exact_estimate(mean, std, xT, quadratic_timesteps(num_steps)[-1])).abs().max()

    assert lowest < error(30) / error(60) < highest


@of_every_solver
@settings(max_examples=20)
@given(num_steps=st.integers(1, 30), seed=st.integers(0, 99))
def test_known_pixels_enter_clean_at_every_step(solver, num_steps, seed):
    """Eq. 1, seen by a network that looks at what it is given."""
    x0, mask, seen = noise(2, 3, 8, 8, seed=seed).clamp(-1, 1), square().expand(2, 1, 8, 8), []

    def spy(xt, t):
        assert xt.dtype == torch.float32
        seen.append((t.tolist(), xt.clone()))
        return noise(2, 3, 8, 8, seed=100 + len(seen))

    sample(spy, noise(2, 3, 8, 8, seed=-1 - seed), x0, mask, num_steps, solver)
    assert [t for t, _ in seen] == [[t, t] for t in SOLVERS[solver].timesteps(num_steps)]
    known = (mask == 0).expand(2, 3, 8, 8)
    assert all(torch.equal(xt[known], x0[known]) for _, xt in seen)
    assert all((xt[~known] != x0[~known]).float().mean() > 0.9 for _, xt in seen)  # but for chance


@of_every_solver
@settings(max_examples=20)
@given(num_steps=st.integers(1, 12), seed=st.integers(0, 99))
def test_estimates_at_known_pixels_change_nothing_under_the_mask(solver, num_steps, seed):
    mask = square()

    def denoise(xt, t, scale=0.0):
        return torch.tanh(xt.roll(1, -1)) + scale * (1 - mask) * noise(1, 3, 8, 8, seed=seed)

    given_ = noise(1, 3, 8, 8), noise(1, 3, 8, 8, seed=seed).clamp(-1, 1), mask, num_steps, solver
    plain, disturbed = (sample(partial(denoise, scale=scale), *given_) for scale in (0, 1))
    assert torch.equal(plain * mask, disturbed * mask)


@of_every_solver
def test_the_first_input_is_the_shared_noise_under_the_mask(solver):
    xT, mask, seen = noise(1, 3, 8, 8), square(), []
    sample(lambda xt, t: seen.append(xt.clone()) or xt, xT, torch.zeros(1, 3, 8, 8), mask, 5, solver)
    assert torch.equal(seen[0], xT * mask)


@of_every_solver
@pytest.mark.parametrize("num_steps", [1, 2, 3, 20])
def test_a_perfect_network_recovers_the_image(solver, num_steps):
    """It predicts the noise that lies between the masked image and its input."""
    x0, mask = noise(2, 3, 8, 8, seed=1).clamp(-1, 1), square().expand(2, 1, 8, 8)

    def oracle(xt, t):
        signal, sigma = signal_and_noise(t)
        return (xt - signal * x0) / sigma

    # The schedule never reaches pure noise, so its start carries a trace of the image.
    start = q_sample(x0, torch.tensor([SOLVERS[solver].timesteps(num_steps)[0]] * 2), noise(2, 3, 8, 8))
    np.testing.assert_allclose(sample(as_denoiser(oracle), start, x0, mask, num_steps, solver), x0, atol=2e-3)


@of_every_solver
@settings(max_examples=30)
@given(scale=st.floats(0, 100), num_steps=st.integers(1, 12))
def test_images_stay_in_range_whatever_the_network_says(solver, scale, num_steps):
    painted = sample(
        as_denoiser(lambda xt, t: scale * xt), noise(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), square(4), num_steps, solver
    )
    assert painted.isfinite().all() and painted.abs().max() <= 1


@of_every_solver
def test_the_most_steps_can_be_taken(solver):
    x0 = torch.zeros(1, 3, 2, 2)
    painted = sample(ideal_denoiser(0.1, 0.2), noise(1, 3, 2, 2), x0, torch.ones(1, 1, 2, 2), NUM_TIMESTEPS, solver)
    assert painted.isfinite().all() and painted.abs().max() <= 1
