"""What stage 2 minimises."""

from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.motion.model import MotionModel
from dd_tools.motion.padding import masked_mean_square

TELLING = 0.1  # weight of telling silence from speech


class LatentError(nn.Module):
    """Mean squared error on latents, over the frames that are not padding; `velocity` adds that of their first
    differences.

    A model with residuals is judged in units of how far the face moves, so that a loss of 1 means about no better than
    the mean. Where silence is taught, it also learns to tell it from speech, by `TELLING` times the cross-entropy.
    """

    def __init__(self, model: MotionModel, velocity: float = 0.0):
        super().__init__()
        self.model, self.velocity = model, velocity

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `MotionData`."""
        valid = batch["speech_valid"]
        motion = self.model.speak(batch["speech"].float(), batch["reference"], valid, batch["reference_valid"])
        error = (motion.base + motion.movement).float() - batch["target"]
        if self.model.config.residual:
            error = error / self.model.reach(batch["reference"], batch["reference_valid"])
        shown = valid[:, ::2]
        loss = masked_mean_square(error, shown)
        if self.velocity:
            loss = loss + self.velocity * masked_mean_square(error.diff(dim=1), shown[:, 1:])
        if "silent" in batch:
            silence = motion.silence[..., 0].float()
            loss = loss + TELLING * F.binary_cross_entropy_with_logits(silence[shown], batch["silent"][shown])
        return loss
