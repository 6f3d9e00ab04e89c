"""Eq. 2: the masked denoising loss of stage 1."""

from torch import Tensor, nn

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.diffusion import keep_known, prediction_target, q_sample


class MaskedDenoisingLoss(nn.Module):
    """L = E ‖(1 − m) ⊙ (ε − ε_θ(x'_t, t, z_sem))‖² (Eq. 2), for the training loop.

    A network that predicts v is compared with v in place of ε. As in the released code, the mean is taken over all
    pixels, so the loss scales with the area of the mask.
    keep_encoder: freeze the semantic encoder, so that existing latents and motion models stay valid.
    """

    def __init__(self, model: DiffusionAutoencoder, *, keep_encoder: bool = False):
        super().__init__()
        self.model = model
        model.encoder.requires_grad_(not keep_encoder)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `RendererData`: a scalar."""
        x0, mask, t, eps = batch["image"], batch["mask"], batch["t"], batch["eps"]
        z = self.model.encode(batch["face"])
        xt = keep_known(q_sample(x0, t, eps), x0, mask)
        predicted = self.model(xt, batch["reference"], t, z)
        target = prediction_target(self.model.config.prediction, x0, t, eps)
        return (mask * (target - predicted).square()).mean()
