"""Progressive distillation (Salimans & Ho 2022) of a trained renderer into one that paints in few steps.

The student starts as a copy of its teacher, and learns to reach in one DDIM step what the teacher reaches in several,
with Eq. 1 at each of them. A student can be the teacher of another one with still fewer steps. The semantic encoder is
the teacher's and stays as it is, so latents and motion models stay valid.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.diffusion import END, NUM_TIMESTEPS, keep_known, q_sample, signal_and_noise
from dd_tools.diffdub.renderer import STEPS
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.sampling import Denoiser, ddim_step, quadratic_timesteps
from dd_tools.errors import UsageError

STUDENT_STEPS = (1, 2, 4)


def spans_of(teacher: RendererConfig, num_steps: int) -> list[list[int]]:
    """For each step of a student, the timesteps that its teacher passes through, both ends included.

    Such as 999, 902, …, 250 and 250, 202, …, 2, `END` for two steps. A teacher that is no student takes `STEPS` at
    `quadratic_timesteps`; at the authors', a student would start farther from its teacher. Raises `UsageError` unless
    every step of the student takes the same number of the teacher's, and more than one.
    """
    if num_steps not in STUDENT_STEPS:
        raise UsageError(f"steps out must be {', '.join(map(str, STUDENT_STEPS))}, got {num_steps}")
    timesteps = [*(teacher.timesteps or quadratic_timesteps(STEPS)), END]
    each, rest = divmod(len(timesteps) - 1, num_steps)
    if rest or each < 2:
        raise UsageError(f"a teacher of {len(timesteps) - 1} steps cannot be distilled into a student of {num_steps}")
    return [timesteps[each * step : each * (step + 1) + 1] for step in range(num_steps)]


class DistillationLoss(nn.Module):
    """The squared difference of v between the student and what leads to where the teacher arrives, inside the mask.

    As a loss of the estimated image, this is weighted by SNR + 1, whether the networks predict v or the noise: the loss
    of the noise itself would hardly count the first step, in which the image is made. Like Eq. 2, it is the mean over
    all pixels. The first step starts from noise alone, as in sampling, and others from the noised image.

    model: the student, whose encoder is frozen. teacher: stays as it is. spans: of `spans_of`.
    """

    def __init__(self, model: DiffusionAutoencoder, teacher: DiffusionAutoencoder, spans: Sequence[Sequence[int]]):
        super().__init__()
        self.model, self.teacher = model, teacher.requires_grad_(False)
        model.encoder.requires_grad_(False)
        self.register_buffer("spans", torch.tensor(spans))

    def train(self, mode: bool = True) -> "DistillationLoss":
        """Also in training there is no dropout: the function to learn is known exactly."""
        return super().train(False)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `RendererData`, whose t selects a step of the student: a scalar."""
        x0, mask, reference = batch["image"], batch["mask"], batch["reference"]
        step = batch["t"] * len(self.spans) // NUM_TIMESTEPS
        span = self.spans[step]
        t = span[:, 0]
        with torch.no_grad():
            z = self.teacher.encode(batch["face"])
            noised = q_sample(x0, t, batch["eps"])
            xt = keep_known(torch.where(step[:, None, None, None] == 0, batch["eps"], noised), x0, mask)
            target = target_estimate(lambda xt, t: self.teacher.denoise(xt, reference, t, z), xt, x0, mask, span)
        estimate = self.model.denoise(xt, reference, t, z)
        _, noise = signal_and_noise(t)  # by which a difference of estimates is divided to become one of v
        return (mask * ((target - estimate) / noise).square()).mean()


def target_estimate(denoise: Denoiser, xt: Tensor, x0: Tensor, mask: Tensor, span: Tensor) -> Tensor:
    """The estimate of the image (B, 3, S, S) with which one DDIM step leads where those of `denoise` do.

    xt: x'_t at the first timestep of `span` (B, N + 1), from which N steps lead to the last one. x0, mask: see
    `sample_at`. Of interest inside the mask only.
    """
    start = xt
    for t, next_t in zip(span.T[:-1], span.T[1:], strict=True):
        xt = keep_known(xt, x0, mask)
        xt = ddim_step(xt, t, denoise(xt, t).clamp(-1, 1), next_t)
    (signal, noise), (end_signal, end_noise) = signal_and_noise(span[:, 0]), signal_and_noise(span[:, -1])
    ratio = end_noise / noise
    return (xt - ratio * start) / (end_signal - ratio * signal)
