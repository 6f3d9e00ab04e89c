"""Stage 1: the diffusion auto-encoder, semantic encoder and inpainting U-Net in one module (figure 2, left)."""

import torch
from torch import Tensor

from dd_tools.diffdub.diffusion import estimate_image
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.semantic_encoder import SemanticEncoder
from dd_tools.diffdub.unet import UNet


class DiffusionAutoencoder(UNet):
    """The inpainting U-Net with its semantic encoder.

    `encode` gives latents, `forward` predicts noise (or v), `denoise` estimates images.
    """

    def __init__(self, config: RendererConfig):
        super().__init__(
            config.unet_levels, z_size=config.z_size, embedding_size=config.embedding_size, dropout=config.dropout
        )
        self.config = config
        self.encoder = SemanticEncoder(config.encoder_levels, config.z_size)

    def encode(self, face: Tensor) -> Tensor:
        """Face images (B, 3, S, S) in [−1, 1] to latents (B, Z)."""
        return self.encoder(face)

    def denoise(self, xt: Tensor, reference: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """The estimate of the image x0, float32 (B, 3, S, S). The arguments are those of `forward`.

        A CPU computes images one by one, which takes as long as all at once and less memory.
        """
        parts = zip(
            *(each.split(1 if xt.device.type == "cpu" else len(xt)) for each in (xt, reference, t, z)), strict=True
        )
        output = torch.cat([self(*part).float() for part in parts])
        return estimate_image(self.config.prediction, xt, t, output)
