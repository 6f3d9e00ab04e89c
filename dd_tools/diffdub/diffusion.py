"""The masked diffusion process (Eq. 1) and its DDIM sampler (Song et al. 2020): pure functions of tensors.

Images are (B, 3, S, S) in [−1, 1]. Masks are (B, 1, S, S), 1 = repaint: the reverse of the paper's m. Timesteps t are
integers (B,) from 0 to `NUM_TIMESTEPS` − 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor

NUM_TIMESTEPS = 1000
BETA_START, BETA_END = 1e-4, 0.02  # linear in t (Ho et al. 2020)

_BETA = torch.linspace(BETA_START, BETA_END, NUM_TIMESTEPS, dtype=torch.float64, device="cpu")
_ALPHA_BAR = torch.cumprod(1 - _BETA, dim=0)
# The square roots are taken in float64 and stored in float32, as not every device has float64.
SQRT_ALPHA_BAR = _ALPHA_BAR.sqrt().float()
SQRT_ONE_MINUS_ALPHA_BAR = (1 - _ALPHA_BAR).sqrt().float()

# Predicts the noise eps from (x'_t, t).
NoiseModel = Callable[[Tensor, Tensor], Tensor]


def signal_and_noise(t: Tensor) -> tuple[Tensor, Tensor]:
    """sqrt(alpha_bar) and sqrt(1 − alpha_bar) at timesteps t (B,), each float32 (B, 1, 1, 1) on the device of t."""
    signal, noise = (table.to(t.device)[t][:, None, None, None] for table in (SQRT_ALPHA_BAR, SQRT_ONE_MINUS_ALPHA_BAR))
    return signal, noise


def q_sample(x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """x_t ~ q(x_t | x_0): the image x0 noised with eps to timestep t."""
    signal, noise = signal_and_noise(t)
    return signal * x0 + noise * eps


def keep_known(xt: Tensor, x0: Tensor, mask: Tensor) -> Tensor:
    """Eq. 1: x'_t = m ⊙ x_0 + (1 − m) ⊙ x_t. Known pixels are free of noise at every timestep."""
    return torch.where(mask > 0, xt, x0)


def sampling_timesteps(num_steps: int) -> list[int]:
    """The timesteps of DDIM sampling: descending multiples of 1000 / num_steps, such as 950, 900, …, 0 for 20 steps.

    They are rounded down to integers.

    Raises `ValueError` unless 1 ≤ num_steps ≤ `NUM_TIMESTEPS`.
    """
    if not 1 <= num_steps <= NUM_TIMESTEPS:
        raise ValueError(f"num_steps must be from 1 to {NUM_TIMESTEPS}, got {num_steps}")
    return [step * NUM_TIMESTEPS // num_steps for step in reversed(range(num_steps))]


@torch.no_grad()
def ddim_sample(model: NoiseModel, xT: Tensor, x0: Tensor, mask: Tensor, num_steps: int) -> Tensor:
    """Deterministic DDIM (eta = 0) with Eq. 1 at every step, from the noise xT (B, 3, S, S) to an image (B, 3, S, S).

    x0: the image that holds the known pixels. The result is in [−1, 1] and not composited: known pixels are only
    approximately those of x0. As in the released code, eps is recomputed from the clipped estimate of the image, and
    alpha_bar is 1 after the last step.
    """
    timesteps = sampling_timesteps(num_steps)
    xt = xT
    for step, next_step in zip(timesteps, [*timesteps[1:], None], strict=True):
        xt = keep_known(xt, x0, mask)
        t = torch.full((len(xt),), step, device=xt.device)
        signal, noise = signal_and_noise(t)
        estimate = ((xt - noise * model(xt, t)) / signal).clamp(-1, 1)
        if next_step is not None:
            eps = (xt - signal * estimate) / noise
            xt = q_sample(estimate, torch.full_like(t, next_step), eps)
    return estimate


def shared_noise(size: int, seed: int) -> Tensor:
    """The one x_T (1, 3, S, S) that all frames start from (section 2.2); the same on every device.

    Frames can then be painted independently, in batches of any size, without flicker.
    """
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))
