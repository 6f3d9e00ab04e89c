"""What stage 1 minimises: Eq. 2, the masked denoising error."""

import torch
from torch import Tensor, nn

from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.diffusion import NUM_TIMESTEPS, paste_known, predicted_x0, q_sample, target


class MaskedDenoising(nn.Module):
    """L = mean over all pixels of (1 - m) (eps - eps_theta(x'_t, t, z_sem))^2, or the same with v or x_0 for epsilon
    (Eq. 2).

    The mean runs over known pixels too, where the error counts as zero, so the loss scales with the mask's area, as in
    the released code.

    Rectified samples are noised from the network's own estimate in place of x_0: a weak network learns to go on from
    what it meets when sampling, where each step would else add to the errors of the last (after DREAM, Zhou et al.
    2024).

    keep_encoder: train the U-Net alone; latents, and the motion models made for them, stay what they are.
    """

    def __init__(self, model: Renderer, *, keep_encoder: bool = False):
        super().__init__()
        self.model, self.keep_encoder = model, keep_encoder
        model.encoder.requires_grad_(not keep_encoder)

    def train(self, mode: bool = True) -> "MaskedDenoising":
        """As for any module; a kept encoder does not update its statistics."""
        super().train(mode)
        if self.keep_encoder:
            self.model.encoder.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `RendererData`: image, face, reference,
        reference_face (B, 3, S, S) in [-1, 1], mask (B, 1, S, S), t
        (B,), eps, rectify (B,).
        """
        model, config = self.model, self.model.config
        x0, mask, t, eps = batch["image"], batch["mask"], batch["t"], batch["eps"]
        z = model.condition(batch["face"], batch["reference_face"])
        xt = paste_known(q_sample(model.schedule, self._start(batch, z), t, eps), x0, mask)
        error = model(xt, batch["reference"], t, z) - target(model.schedule, config.prediction, x0, t, eps)
        return (mask * error.square()).mean()

    @torch.no_grad()
    def _start(self, batch: dict[str, Tensor], z: Tensor) -> Tensor:
        """The images to add noise to: x_0, or for rectified samples what the first sampling step makes of eps."""
        model, rectify = self.model, batch["rectify"]
        if not rectify.any():
            return batch["image"]
        start, image = batch["image"].clone(), batch["image"][rectify]
        xT = paste_known(batch["eps"][rectify], image, batch["mask"][rectify])
        t = torch.full((len(xT),), NUM_TIMESTEPS - 1, device=xT.device)
        output = model(xT, batch["reference"][rectify], t, z[rectify])
        start[rectify] = predicted_x0(model.schedule, model.config.prediction, output, xT, t).to(start.dtype)
        return start
