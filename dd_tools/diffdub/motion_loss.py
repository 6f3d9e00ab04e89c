"""The loss of stage 2: mean squared error on latents."""

from torch import Tensor, nn

from dd_tools.diffdub.motion_network import MotionNetwork
from dd_tools.nn.padding import masked_mean_square


class LatentLoss(nn.Module):
    """Mean squared error of the generated latents, without those of the padding, for the training loop."""

    def __init__(self, model: MotionNetwork):
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `MotionData`: a scalar."""
        valid = batch["speech_valid"]
        latents = self.model(batch["speech"].float(), batch["reference"], valid, batch["reference_valid"])
        return masked_mean_square(latents.float() - batch["target"], valid[:, ::2])
