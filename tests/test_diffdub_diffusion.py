"""The masked diffusion process: against diffusers and the equations."""

import numpy as np
import pytest
import torch

from dd_tools.diffdub.diffusion import (
    END,
    NUM_TIMESTEPS,
    estimate_image,
    keep_known,
    prediction_target,
    q_sample,
    shared_noise,
    signal_and_noise,
)
from dd_tools.diffdub.renderer_config import PREDICTIONS


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_noise_schedule_is_that_of_ddpm():
    diffusers = pytest.importorskip("diffusers")
    oracle = diffusers.DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    t = torch.arange(NUM_TIMESTEPS)
    signal, sigma = (values.flatten() for values in signal_and_noise(t))
    np.testing.assert_allclose(signal**2, oracle.alphas_cumprod, rtol=2e-5)
    np.testing.assert_allclose(signal**2 + sigma**2, np.ones(1000), atol=1e-6)
    x0, eps = noise(1000, 1, 2, 2), noise(1000, 1, 2, 2, seed=1)
    np.testing.assert_allclose(q_sample(x0, t, eps), oracle.add_noise(x0, eps, t), atol=1e-5)


def test_at_the_end_the_image_is_clean():
    t, x0 = torch.tensor([0, END, 999]), noise(3, 1, 2, 2)
    noised = q_sample(x0, t, noise(3, 1, 2, 2, seed=1))
    assert torch.equal(noised[1], x0[1]) and not torch.equal(noised[0], x0[0])


def test_known_pixels_are_those_outside_the_mask():
    """Eq. 1 with the paper's m, which is 1 where pixels are known: the reverse of our mask."""
    xt, x0 = noise(1, 3, 4, 4), noise(1, 3, 4, 4, seed=1)
    mask = (noise(1, 1, 4, 4, seed=2) > 0).float()
    m = 1 - mask
    assert torch.equal(keep_known(xt, x0, mask), m * x0 + (1 - m) * xt)
    xt[(mask == 0).expand_as(xt)] = float("nan")
    assert keep_known(xt, x0, mask).isfinite().all()


def test_the_shared_noise_depends_on_the_seed_alone():
    torch.manual_seed(5)
    first = shared_noise(64, 3)
    torch.manual_seed(6)
    assert torch.equal(first, shared_noise(64, 3)) and not torch.equal(first, shared_noise(64, 4))
    assert first.shape == (1, 3, 64, 64)
    assert abs(first.mean()) < 0.03 and abs(first.std() - 1) < 0.03


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_image_is_recovered_from_a_perfect_prediction(prediction):
    x0, eps, t = noise(5, 3, 4, 4), noise(5, 3, 4, 4, seed=1), torch.tensor([0, 10, 300, 700, 999])
    output = prediction_target(prediction, x0, t, eps)
    found = estimate_image(prediction, q_sample(x0, t, eps), t, output)
    np.testing.assert_allclose(found, x0, atol=1e-3 if prediction == "epsilon" else 1e-5)


def test_v_is_that_of_diffusers():
    diffusers = pytest.importorskip("diffusers")
    oracle = diffusers.DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    x0, eps, t = noise(5, 3, 4, 4), noise(5, 3, 4, 4, seed=1), torch.tensor([0, 10, 300, 700, 999])
    np.testing.assert_allclose(prediction_target("v", x0, t, eps), oracle.get_velocity(x0, eps, t), atol=1e-5)
