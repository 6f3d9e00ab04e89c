"""The masked process and DDIM against diffusers and by properties."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.renderer.diffusion import (
    NUM_TIMESTEPS,
    Schedule,
    ddim_sample,
    paste_known,
    predicted_x0,
    q_sample,
    target,
)

LINEAR, COSINE = Schedule.named("linear"), Schedule.named("cosine")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_linear_schedule_is_ddpms():
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(NUM_TIMESTEPS, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    np.testing.assert_allclose(LINEAR.alpha_bar, theirs.alphas_cumprod, rtol=2e-5)


def test_cosine_schedule_ends_at_zero_signal_and_falls():
    assert COSINE.alpha_bar[-1] < 1e-30
    assert 0.999 < COSINE.alpha_bar[0] < 1
    assert (COSINE.alpha_bar.diff() < 0).all()


@pytest.mark.parametrize(
    ("schedule", "steps", "first", "last"),
    [
        (LINEAR, 20, 950, 0),
        (LINEAR, 1000, 999, 0),
        (LINEAR, 1, 0, 0),
        (COSINE, 20, 999, 49),
        (COSINE, 8, 999, 124),
        (COSINE, 1, 999, 999),
    ],
)
def test_timesteps_visited(schedule, steps, first, last):
    timesteps = schedule.sampling_timesteps(steps)
    assert (len(timesteps), timesteps[0], timesteps[-1]) == (steps, first, last)


@given(steps=st.integers(1, NUM_TIMESTEPS))
def test_any_number_of_steps_is_walked_down(steps):
    for schedule in (LINEAR, COSINE):
        timesteps = schedule.sampling_timesteps(steps)
        assert len(timesteps) == steps
        assert all(0 <= later < now < NUM_TIMESTEPS for now, later in itertools.pairwise(timesteps))


def test_ddim_without_a_mask_is_diffusers_ddim():
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
    scheduler.set_timesteps(20)

    def network(x, t):
        return torch.tanh(x.roll(1, -1)) * (0.5 + t[:, None, None, None] / 2000)

    xT = noise(2, 3, 8, 8)
    ours = ddim_sample(network, LINEAR, "epsilon", xT, torch.zeros(2, 3, 8, 8), torch.ones(2, 1, 8, 8), 20)
    theirs = xT
    for t in scheduler.timesteps:
        output = network(theirs, t.expand(2))
        # The released sampler recomputes the noise from the clipped image; diffusers has a name for that.
        theirs = scheduler.step(output, t, theirs, use_clipped_model_output=True).prev_sample
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
@pytest.mark.parametrize("schedule", [LINEAR, COSINE])
def test_a_perfect_network_recovers_the_image(prediction, schedule):
    x0 = noise(2, 3, 8, 8, seed=1).clamp(-1, 1)
    mask = torch.zeros(2, 1, 8, 8)
    mask[:, :, 3:7, 2:6] = 1
    seen = []

    def oracle(x, t):
        signal, sigma = schedule.at(t)
        seen.append(x)
        return target(schedule, prediction, x0, t, (x - signal * x0) / sigma)

    # The linear schedule never reaches pure noise, so its start carries a trace of the image.
    start = q_sample(schedule, x0, torch.tensor([schedule.sampling_timesteps(20)[0]] * 2), noise(2, 3, 8, 8))
    painted = ddim_sample(oracle, schedule, prediction, start, x0, mask, 20)
    np.testing.assert_allclose(painted * mask, x0 * mask, atol=2e-3)
    assert len(seen) == 20
    for x in seen:  # Eq. 1: known pixels enter clean at every step
        assert torch.equal(x * (1 - mask), x0 * (1 - mask))


@settings(max_examples=30)
@given(t=st.integers(0, NUM_TIMESTEPS - 2), seed=st.integers(0, 99))
def test_target_and_prediction_are_inverse(t, seed):
    x0, eps = noise(1, 3, 4, 4, seed=seed).clamp(-1, 1), noise(1, 3, 4, 4, seed=seed + 1)
    steps = torch.tensor([t])
    for schedule in (LINEAR, COSINE):
        xt = q_sample(schedule, x0, steps, eps)
        v = target(schedule, "v", x0, steps, eps)
        np.testing.assert_allclose(predicted_x0(schedule, "v", v, xt, steps), x0, atol=1e-4)
        signal, sigma = (value.item() for value in schedule.at(steps))
        np.testing.assert_allclose(v, signal * eps - sigma * x0, atol=1e-6)


def test_paste_known_is_equation_1():
    x, known = noise(1, 3, 4, 4), noise(1, 3, 4, 4, seed=1)
    mask = (noise(1, 1, 4, 4, seed=2) > 0).float()
    keep = 1 - mask  # the paper's m
    assert torch.equal(paste_known(x, known, mask), keep * known + (1 - keep) * x)
