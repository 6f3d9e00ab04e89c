"""What stage 1 minimises: Eq. 2, the masked denoising error."""

from torch import Tensor, nn

from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.diffusion import paste_known, q_sample, target


class MaskedDenoising(nn.Module):
    """L = mean over all pixels of (1 - m) (eps - eps_theta(x'_t, t, z_sem))^2, or the same with v or x_0 for epsilon
    (Eq. 2).

    The mean runs over known pixels too, where the error counts as zero, so the loss scales with the mask's area, as in
    the released code.
    """

    def __init__(self, model: Renderer):
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `RendererData`: image, face, reference (B, 3, S, S) in [-1, 1], mask (B, 1, S, S), t
        (B,), eps.
        """
        model, config = self.model, self.model.config
        x0, mask, t, eps = batch["image"], batch["mask"], batch["t"], batch["eps"]
        z = model.encode(batch["face"])
        xt = paste_known(q_sample(model.schedule, x0, t, eps), x0, mask)
        error = model(xt, batch["reference"], t, z) - target(model.schedule, config.prediction, x0, t, eps)
        return (mask * error.square()).mean()
