"""The training loss of stage 2."""

from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.nn.padding import masked_mean_square
from dd_tools.warp.motion_network import MotionNetwork

SILENCE_WEIGHT = 0.1  # of the cross-entropy of silence, against 1 of the squared error


class MotionLoss(nn.Module):
    """Mean squared error of the latents, each divided by the network's `movement_scale`, for the training loop.

    A prediction of the mean latent has a loss of about 1. If the batch has "silence", the cross-entropy of the
    predicted silence is added.
    """

    def __init__(self, model: MotionNetwork):
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `MotionData`: a scalar."""
        reference, reference_valid = batch["reference"], batch["reference_valid"]
        motion = self.model(batch["speech"].float(), reference, batch["speech_valid"], reference_valid)
        error = (motion.latents.float() - batch["target"]) / self.model.movement_scale(reference, reference_valid)
        valid = batch["speech_valid"][:, ::2]
        loss = masked_mean_square(error, valid)
        if "silence" in batch:
            logits = motion.silence[..., 0].float()
            loss = loss + SILENCE_WEIGHT * F.binary_cross_entropy_with_logits(logits[valid], batch["silence"][valid])
        return loss
