"""The masked diffusion process (Eq. 1) and its DDIM sampler (Song et al. 2020). Pure functions of tensors.

Images are (B, 3, S, S) in [-1, 1]; masks (B, 1, S, S), 1 = repaint, the reverse of the paper's m; t counts from 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

NUM_TIMESTEPS = 1000


@dataclass(frozen=True)
class Schedule:
    """How much signal is left at each timestep. alpha_bar: float64 (NUM_TIMESTEPS,), falling.

    reaches_noise: alpha_bar ends at zero, so sampling has to start at the very last timestep ("trailing" spacing, Lin
    et al. 2023); otherwise it walks the multiples of the stride down ("leading"), as the authors do.
    """

    alpha_bar: Tensor
    reaches_noise: bool

    @classmethod
    def named(cls, name: str) -> "Schedule":
        """``linear``: beta from 1e-4 to 0.02 (Ho et al. 2020). ``cosine``: alpha_bar = cos^2, zero at the end."""
        if name == "linear":
            beta = torch.linspace(1e-4, 0.02, NUM_TIMESTEPS, dtype=torch.float64, device="cpu")
            return cls(torch.cumprod(1 - beta, dim=0), reaches_noise=False)
        angle = torch.arange(1, NUM_TIMESTEPS + 1, dtype=torch.float64, device="cpu") / NUM_TIMESTEPS * math.pi / 2
        return cls(angle.cos().square().clamp_min(0), reaches_noise=True)

    def at(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(sqrt(alpha_bar), sqrt(1 - alpha_bar)) at timesteps t (B,), float32 (B, 1, 1, 1) on t's device."""
        alpha_bar = self.alpha_bar.to(t.device)[t][:, None, None, None]
        return alpha_bar.sqrt().float(), (1 - alpha_bar).sqrt().float()

    def sampling_timesteps(self, num_steps: int) -> list[int]:
        """The timesteps DDIM visits, falling. 20 steps of the linear schedule: 950, 900 ... 0."""
        stride = NUM_TIMESTEPS // num_steps
        first = stride - 1 if self.reaches_noise else 0
        return list(range(first, NUM_TIMESTEPS, stride))[-num_steps:][::-1]


def q_sample(schedule: Schedule, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """x_t ~ q(x_t | x_0): the image noised to timestep t."""
    signal, noise = schedule.at(t)
    return signal * x0 + noise * eps


def paste_known(x: Tensor, known: Tensor, mask: Tensor) -> Tensor:
    """Eq. 1, x'_t = m x_0 + (1 - m) x_t: known pixels enter clean, at every timestep."""
    return torch.where(mask > 0, x, known)


def target(schedule: Schedule, prediction: str, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """What the network should predict: the noise, the image, or v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0
    (Salimans & Ho).
    """
    if prediction == "epsilon":
        return eps
    if prediction == "x0":
        return x0
    signal, noise = schedule.at(t)
    return signal * eps - noise * x0


def predicted_x0(schedule: Schedule, prediction: str, output: Tensor, xt: Tensor, t: Tensor) -> Tensor:
    """The image the network's output stands for, clipped to [-1, 1]."""
    signal, noise = schedule.at(t)
    if prediction == "epsilon":
        output = (xt - noise * output) / signal
    elif prediction == "v":
        output = signal * xt - noise * output
    return output.clamp(-1, 1)


@torch.no_grad()
def ddim_sample(
    predict: Callable[[Tensor, Tensor], Tensor],
    schedule: Schedule,
    prediction: str,
    xT: Tensor,
    known: Tensor,
    mask: Tensor,
    num_steps: int,
) -> Tensor:
    """Deterministic DDIM (eta = 0) under a mask: noise xT to the image (B, 3, S, S), known pixels not yet composited.

    predict: (x'_t, t (B,)) to the network's output. As in the released code, epsilon is recomputed from the clipped
    image, and alpha_bar is 1 past the last step.
    """
    timesteps = schedule.sampling_timesteps(num_steps)
    x = xT
    for step, now in enumerate(timesteps):
        x = paste_known(x, known, mask)
        t = torch.full((len(x),), now, device=x.device)
        x0 = predicted_x0(schedule, prediction, predict(x, t), x, t)
        if step == len(timesteps) - 1:
            return x0
        signal, noise = schedule.at(t)
        eps = (x - signal * x0) / noise
        x = q_sample(schedule, x0, torch.full_like(t, timesteps[step + 1]), eps)
    raise ValueError(f"num_steps must be at least 1, got {num_steps}")
