"""Deterministic sampling from the masked diffusion process, with Eq. 1 at every step.

The paper samples with DDIM (Song et al. 2020). DPM-Solver++(2M) (Lu et al. 2022) and UniPC (Zhao et al. 2023) are for
few calls of the network. All three share one step, which is exact if the estimate of the image stays the same on the
way from one timestep to the next. They differ in the estimate that they assume there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dd_tools.diffdub.diffusion import NUM_TIMESTEPS, half_log_snr, keep_known, q_sample, signal_and_noise

# Estimates the image x0 (B, 3, S, S) from x'_t and t (B,); see `dd_tools.diffdub.diffusion.estimate_image`.
Denoiser = Callable[[Tensor, Tensor], Tensor]


def sampling_timesteps(num_steps: int) -> list[int]:
    """The timesteps of DDIM sampling: descending multiples of 1000 / num_steps, such as 950, 900, …, 0 for 20 steps.

    They are rounded down to integers, as in the released code.

    Raises `ValueError` unless 1 ≤ num_steps ≤ `NUM_TIMESTEPS`.
    """
    _check_number(num_steps)
    return [step * NUM_TIMESTEPS // num_steps for step in reversed(range(num_steps))]


def quadratic_timesteps(num_steps: int) -> list[int]:
    """Descending timesteps from 999, ever closer to each other, such as 999, 562, 250, 62 for 4 steps.

    They are 999 times the squares of num_steps / num_steps, …, 1 / num_steps, rounded, and pushed up where they would
    otherwise repeat.

    Raises `ValueError` unless 1 ≤ num_steps ≤ `NUM_TIMESTEPS`.
    """
    _check_number(num_steps)
    left = range(num_steps, 0, -1)  # steps from each timestep on
    return [max(round((NUM_TIMESTEPS - 1) * (steps / num_steps) ** 2), steps - 1) for steps in left]


def _check_number(num_steps: int) -> None:
    if not 1 <= num_steps <= NUM_TIMESTEPS:
        raise ValueError(f"num_steps must be from 1 to {NUM_TIMESTEPS}, got {num_steps}")


@dataclass(frozen=True)
class Solver:
    """A way to solve the probability flow ODE from x_T to the image.

    timesteps: the descending timesteps at which the network is called, for a number of steps.
    order: 1 assumes that the estimate of the image does not change during a step, 2 that it changes linearly.
    corrects: whether every step is repeated (UniC), without the network, once the estimate at its end is known.
    """

    timesteps: Callable[[int], list[int]]
    order: int
    corrects: bool


# DDIM's timesteps are the authors'. Their first, 1000 − 1000 / num_steps, is 500 for 2 steps, where the network does
# not expect the pure noise x_T, so the other solvers start at the last timestep. These assume an estimate that is a
# polynomial in lambda, half the log signal-to-noise ratio; steps of equal size in t would make the last ones so large
# in lambda that they overshoot. They end above 0, as the network has next to nothing to do there.
SOLVERS = {
    "ddim": Solver(sampling_timesteps, order=1, corrects=False),
    "dpm-solver++": Solver(quadratic_timesteps, order=2, corrects=False),
    "unipc": Solver(quadratic_timesteps, order=2, corrects=True),
}
DDIM = "ddim"


class State(NamedTuple):
    """A timestep, x_t there, and the network's estimate of the image, both (B, 3, S, S)."""

    t: int
    xt: Tensor
    estimate: Tensor


def sample(denoise: Denoiser, xT: Tensor, x0: Tensor, mask: Tensor, num_steps: int, solver: str = DDIM) -> Tensor:
    """`sample_at` the solver's timesteps for `num_steps` calls of `denoise`.

    Raises `ValueError` unless 1 ≤ num_steps ≤ `NUM_TIMESTEPS`.
    """
    return sample_at(SOLVERS[solver].timesteps(num_steps), denoise, xT, x0, mask, solver)


@torch.no_grad()
def sample_at(
    timesteps: Sequence[int], denoise: Denoiser, xT: Tensor, x0: Tensor, mask: Tensor, solver: str = DDIM
) -> Tensor:
    """Sample with Eq. 1 at every step, from the noise xT (B, 3, S, S) to an image (B, 3, S, S) in [−1, 1].

    timesteps: descending, at which `denoise` is called. x0: the image that holds the known pixels. mask (B, 1, S, S):
    1 = repaint. solver: a key of `SOLVERS`. The result is not composited: known pixels are only approximately those of
    x0.

    As in the released code, estimates of the image are clamped, and alpha_bar is 1 after the last step, so that the
    last estimate is the result.
    """
    chosen = SOLVERS[solver]
    xt, states = xT, []
    for step, next_step in zip(timesteps, [*timesteps[1:], None], strict=True):
        xt = keep_known(xt, x0, mask)
        estimate = denoise(xt, _batch_of(step, xt)).clamp(-1, 1)
        if next_step is None:
            return estimate
        if chosen.corrects and states:
            xt = _corrected(states, step, estimate)
        states = [*states[-1:], State(step, xt, estimate)]
        xt = _predicted(states[-chosen.order :], next_step)


def _batch_of(step: int, xt: Tensor) -> Tensor:
    """One timestep for every image of a batch, (B,)."""
    return torch.full((len(xt),), step, device=xt.device)


def ddim_step(xt: Tensor, t: Tensor, estimate: Tensor, next_t: Tensor) -> Tensor:
    """x_t at timesteps `next_t` (B,) if the estimate of the image is `estimate` all the way from x_t at t (B,).

    DDIM with eta = 0. eps is recomputed from the clamped estimate, as in the released code.
    """
    signal, noise = signal_and_noise(t)
    eps = (xt - signal * estimate) / noise
    return q_sample(estimate, next_t, eps)


def _ddim_step(state: State, estimate: Tensor, step: int) -> Tensor:
    """x_t at timestep `step` if the estimate of the image is `estimate` all the way from `state`."""
    return ddim_step(state.xt, _batch_of(state.t, state.xt), estimate, _batch_of(step, state.xt))


def _predicted(states: list[State], step: int) -> Tensor:
    """x_t at timestep `step`, with the estimate extrapolated halfway there from the last one or two states.

    Halfway in lambda, half the log signal-to-noise ratio: algorithm 2 of DPM-Solver++. UniP-2 of UniPC, with
    B(h) = e^h − 1, is the same.
    """
    *earlier, now = states
    if not earlier:
        return _ddim_step(now, now.estimate, step)
    width, last_width = _lambda_between(now.t, step), _lambda_between(earlier[0].t, now.t)
    slope = (now.estimate - earlier[0].estimate) / last_width
    return _ddim_step(now, now.estimate + width / 2 * slope, step)


def _corrected(states: list[State], step: int, estimate: Tensor) -> Tensor:
    """x_t at timestep `step`, from the last one or two states and the `estimate` made at the predicted x_t (UniC).

    With B(h) = e^h − 1: UniC-1 after the first step, which takes the mean of both estimates, then UniC-2, which is
    exact if the estimate follows the parabola in lambda through the last three.
    """
    *earlier, start = states
    rise = estimate - start.estimate
    if not earlier:
        return _ddim_step(start, start.estimate + rise / 2, step)
    width, last_width = _lambda_between(start.t, step), _lambda_between(earlier[0].t, start.t)
    last_rise = (start.estimate - earlier[0].estimate) * (width / last_width)
    mean, mean_square = _moments(width)
    weight = (mean - mean_square) / (1 + last_width / width)
    return _ddim_step(start, start.estimate + (mean - weight) * rise + weight * last_rise, step)


def _lambda_between(start: int, end: int) -> float:
    """How much lambda rises between two timesteps, > 0 as end < start."""
    return half_log_snr(end) - half_log_snr(start)


def _moments(width: float) -> tuple[float, float]:
    """Means of u and u² over a step, u from 0 to 1, with the weight e^lambda that the exact solution gives estimates.

    width: of the step in lambda.
    """
    end = -1 / math.expm1(-width)
    mean = end - 1 / width
    return mean, end - 2 / width * mean
