"""The training loss of stage 2."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.nn.padding import masked_mean_square
from dd_tools.warp.latents import latent_aperture
from dd_tools.warp.motion_network import Motion, MotionNetwork

CONCORDANCE_WEIGHT = 1.0  # against 1 of the squared error
STILL = 0.3  # standard deviation of aperture, as a share of the speaker's, below which concordance counts little
SILENCE_WEIGHT = 0.1  # of the cross-entropy of silence, against 1 of the squared error


class MotionLoss(nn.Module):
    """Squared error of the latents and discordance of the lip aperture, the mean of all members, for the training loop.

    Errors are divided by the network's `movement_scale`, so that a prediction of the mean latent has a squared error of
    about 1. The squared error alone makes small motion of uncertain speech; the `discordance` also asks for the
    amplitude. If the batch has "silence", the cross-entropy of the predicted silence is added.
    """

    def __init__(self, model: MotionNetwork):
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `MotionData`: a scalar."""
        reference, valid = batch["reference"], batch["reference_valid"]
        motions = self.model.member_motions(batch["speech"].float(), reference, batch["speech_valid"], valid)
        scale, std = self.model.movement_scale(reference, valid), self.model.speaker_aperture_std(reference, valid)
        return torch.stack([self._loss(motion, batch, scale, std[..., 0]) for motion in motions]).mean()

    def _loss(self, motion: Motion, batch: dict[str, Tensor], scale: Tensor, std: Tensor) -> Tensor:
        target, valid, latents = batch["target"], batch["speech_valid"][:, ::2], motion.latents.float()
        loss = masked_mean_square((latents - target) / scale, valid)
        apertures = latent_aperture(latents) / std, latent_aperture(target) / std
        loss = loss + CONCORDANCE_WEIGHT * discordance(*apertures, valid).mean()
        if "silence" in batch:
            logits = motion.silence[..., 0].float()
            loss = loss + SILENCE_WEIGHT * F.binary_cross_entropy_with_logits(logits[valid], batch["silence"][valid])
        return loss


def discordance(one: Tensor, other: Tensor, valid: Tensor) -> Tensor:
    """1 minus the concordance correlation coefficient (Lin 1989) without its means (B,) of two tracks (B, T).

    The coefficient is 2 cov / (var + var′): 1 only if the tracks have the same shape and the same amplitude. `STILL`²
    is added to the denominator, so that tracks that hardly move have little influence. valid (B, T): True for data.
    """
    count = valid.sum(1, keepdim=True).clamp(min=1)
    one, other = (
        torch.where(valid, track - torch.where(valid, track, 0).sum(1, keepdim=True) / count, 0)
        for track in (one, other)
    )
    scale = (one.square() + other.square()).sum(1) + count[:, 0] * STILL**2
    return 1 - 2 * (one * other).sum(1) / scale
