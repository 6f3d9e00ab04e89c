"""Stage 1: the diffusion auto-encoder, semantic encoder and inpainting U-Net in one module (figure 2, left)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dd_tools.diffdub.diffusion import EPSILON, PREDICTIONS, estimate_image
from dd_tools.diffdub.semantic_encoder import SemanticEncoder
from dd_tools.diffdub.unet import UNet
from dd_tools.errors import UsageError
from dd_tools.formats.clip import Framing
from dd_tools.nn.config import Config
from dd_tools.nn.unet import Levels


@dataclass(frozen=True)
class RendererConfig(Config):
    """Sizes of the diffusion auto-encoder; the defaults are the authors' (168.5 M parameters).

    size: pixels of the square crop and of the face image.
    channels, multipliers: width of the U-Net's levels, see `Levels`.
    encoder_channels, encoder_multipliers: the same for the semantic encoder.
    blocks: residual blocks per level; the up path has one more.
    attention_at: sides of the feature maps with self-attention.
    z_size: width of the semantic latent.
    embedding_size: width of the time embedding.
    dropout: in the U-Net's residual blocks.
    prediction: what the U-Net predicts, see `PREDICTIONS`; the paper predicts epsilon.
    eyes: whether the face image holds the eyes' band (eye guidance; False is the ablation "w/o eye").
    crop, mask: framing and mask of the clips, values of dd-prep's --crop and --mask.
    """

    size: int = 256
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    encoder_channels: int = 128
    encoder_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 4)
    blocks: int = 2
    attention_at: tuple[int, ...] = (16,)
    z_size: int = 512
    embedding_size: int = 512
    dropout: float = 0.1
    prediction: str = EPSILON
    eyes: bool = True
    crop: str = "head"
    mask: str = "paper"

    def __post_init__(self):
        super().__post_init__()
        if self.prediction not in PREDICTIONS:
            raise UsageError(f"unknown prediction '{self.prediction}', expected {', '.join(PREDICTIONS)}")
        for name in ("multipliers", "encoder_multipliers"):
            divisor = 2 ** (len(getattr(self, name)) - 1)
            if self.size % divisor:
                raise UsageError(
                    f"renderer size {self.size} is not a multiple of {divisor}, which {name} {getattr(self, name)} need"
                )

    @property
    def framing(self) -> Framing:
        """The framing of the clips that the renderer takes."""
        return Framing(self.size, self.crop, self.mask)

    @property
    def unet_levels(self) -> Levels:
        """Sizes of the U-Net."""
        return Levels(self.size, self.channels, self.multipliers, self.blocks, self.attention_at)

    @property
    def encoder_levels(self) -> Levels:
        """Sizes of the semantic encoder."""
        return Levels(self.size, self.encoder_channels, self.encoder_multipliers, self.blocks, self.attention_at)


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
