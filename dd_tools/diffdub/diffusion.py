"""The masked diffusion process (Eq. 1), and what a network predicts of it: pure functions of tensors.

Images are (B, 3, S, S) in [−1, 1]. Masks are (B, 1, S, S), 1 = repaint: the reverse of the paper's m. Timesteps t are
integers (B,) from 0 to `NUM_TIMESTEPS` − 1, or `END`, where the image is free of noise.
"""

import functools

import torch
from torch import Tensor
from torch.nn.functional import pad

from dd_tools.diffdub.renderer_config import EPSILON, NUM_TIMESTEPS

END = -1  # after the last step of sampling: alpha_bar is 1, as in the released code
BETA_START, BETA_END = 1e-4, 0.02  # linear in t (Ho et al. 2020)

_BETA = torch.linspace(BETA_START, BETA_END, NUM_TIMESTEPS, dtype=torch.float64, device="cpu")
_ALPHA_BAR = torch.cumprod(1 - _BETA, dim=0)
# The square roots are taken in float64 and stored in float32, as not every device has float64.
SQRT_ALPHA_BAR = _ALPHA_BAR.sqrt().float()
SQRT_ONE_MINUS_ALPHA_BAR = (1 - _ALPHA_BAR).sqrt().float()


def signal_and_noise(t: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(alpha_bar) and sqrt(1 − alpha_bar) at timesteps t (B,), each float32 (B, 1, 1, 1) on the device of t."""
    signal, noise = (table[t][:, None, None, None] for table in tables_on(t.device))
    return signal, noise


@functools.cache
@torch.inference_mode(False)
def tables_on(device: torch.device) -> tuple[Tensor, Tensor]:
    """`SQRT_ALPHA_BAR` and `SQRT_ONE_MINUS_ALPHA_BAR` on a device, copied there once: a copy waits for a GPU.

    A last entry, at which the index `END` arrives, is that of the clean image.
    """
    signal, noise = pad(SQRT_ALPHA_BAR, (0, 1), value=1.0), pad(SQRT_ONE_MINUS_ALPHA_BAR, (0, 1), value=0.0)
    return signal.to(device), noise.to(device)


def half_log_snr(t: int) -> float:
    """lambda = log(sqrt(alpha_bar) / sqrt(1 − alpha_bar)) at a timestep, half the log signal-to-noise ratio."""
    return float(_ALPHA_BAR[t].logit()) / 2


def q_sample(x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """x_t ~ q(x_t | x_0): the image x0 noised with eps to timestep t."""
    signal, noise = signal_and_noise(t)
    return signal * x0 + noise * eps


def keep_known(xt: Tensor, x0: Tensor, mask: Tensor) -> Tensor:
    """Eq. 1: x'_t = m ⊙ x_0 + (1 − m) ⊙ x_t. Known pixels are free of noise at every timestep."""
    return torch.where(mask > 0, xt, x0)


def prediction_target(prediction: str, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """What the network should predict for the image x0, noised with eps to timestep t. prediction: of `PREDICTIONS`."""
    if prediction == EPSILON:
        return eps
    signal, noise = signal_and_noise(t)
    return signal * eps - noise * x0


def estimate_image(prediction: str, xt: Tensor, t: Tensor, output: Tensor) -> Tensor:
    """The network's estimate of x0, from its input xt at timestep t and its output. prediction: of `PREDICTIONS`."""
    signal, noise = signal_and_noise(t)
    return (xt - noise * output) / signal if prediction == EPSILON else signal * xt - noise * output


def shared_noise(size: int, seed: int) -> Tensor:
    """The one x_T (1, 3, S, S) that all frames start from (section 2.2); the same on every device.

    Frames can then be painted independently, in batches of any size, without flicker.
    """
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))
