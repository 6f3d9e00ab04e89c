"""Deterministic sampling from the masked diffusion process: DDIM (Song et al. 2020) with Eq. 1 at every step."""

from collections.abc import Callable

import torch
from torch import Tensor

from dd_tools.diffdub.diffusion import NUM_TIMESTEPS, keep_known, q_sample, signal_and_noise

# Estimates the image x0 (B, 3, S, S) from x'_t and t (B,); see `dd_tools.diffdub.diffusion.estimate_image`.
Denoiser = Callable[[Tensor, Tensor], Tensor]


def sampling_timesteps(num_steps: int) -> list[int]:
    """The timesteps of DDIM sampling: descending multiples of 1000 / num_steps, such as 950, 900, …, 0 for 20 steps.

    They are rounded down to integers.

    Raises `ValueError` unless 1 ≤ num_steps ≤ `NUM_TIMESTEPS`.
    """
    if not 1 <= num_steps <= NUM_TIMESTEPS:
        raise ValueError(f"num_steps must be from 1 to {NUM_TIMESTEPS}, got {num_steps}")
    return [step * NUM_TIMESTEPS // num_steps for step in reversed(range(num_steps))]


@torch.no_grad()
def ddim_sample(denoise: Denoiser, xT: Tensor, x0: Tensor, mask: Tensor, num_steps: int) -> Tensor:
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
        estimate = denoise(xt, t).clamp(-1, 1)
        if next_step is not None:
            eps = (xt - signal * estimate) / noise
            xt = q_sample(estimate, torch.full_like(t, next_step), eps)
    return estimate
