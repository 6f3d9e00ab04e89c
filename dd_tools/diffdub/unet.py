"""The network of the inpainting renderer: Diff-AE's U-Net, conditioned on timestep and latent (section 2.1)."""

import math

import torch
from torch import Tensor, nn

from dd_tools.nn.blocks import GroupNorm32, SiLU, zero_init
from dd_tools.nn.levels import Levels
from dd_tools.nn.unet import down_path, middle_block, up_path

IMAGE_CHANNELS = 3


def timestep_embedding(t: Tensor, size: int) -> Tensor:
    """Sinusoidal encoding (B, size) of integer timesteps t (B,): cosines, then sines, of t · 10000^(−i / half)."""
    half = size // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """Sinusoidal encoding, linear, SiLU, linear."""

    def __init__(self, channels: int, embedding_size: int):
        super().__init__()
        self.channels = channels
        self.time_embed = nn.Sequential(
            nn.Linear(channels, embedding_size), nn.SiLU(), nn.Linear(embedding_size, embedding_size)
        )

    def forward(self, t: Tensor) -> Tensor:
        """Timesteps (B,) to embeddings (B, E)."""
        embedding = timestep_embedding(t, self.channels)
        return self.time_embed(embedding.to(self.time_embed[0].weight.dtype))


class UNet(nn.Module):
    """eps_θ(x'_t, t, z_sem): predicts the noise of the masked image.

    The input also contains one reference image of the speaker. The paper does not mention it, but the released network
    takes it. The authors report that the number of reference images, 0 to 10, matters little.
    """

    def __init__(self, levels: Levels, *, z_size: int, embedding_size: int, dropout: float):
        super().__init__()
        conditions = {"z_size": z_size, "embedding_size": embedding_size, "dropout": dropout}
        self.time_embed = TimeEmbedding(levels.channels, embedding_size)
        self.input_blocks, widths, size = down_path(2 * IMAGE_CHANNELS, levels, **conditions)
        self.middle_block = middle_block(widths[-1], **conditions)
        self.output_blocks = up_path(widths, size, levels, **conditions)
        channels = levels.channels * levels.multipliers[0]
        self.out = nn.Sequential(
            GroupNorm32(channels), SiLU(), zero_init(nn.Conv2d(channels, IMAGE_CHANNELS, 3, padding=1))
        )

    def forward(self, xt: Tensor, reference: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """x'_t and reference image (B, 3, S, S), t (B,), z (B, Z) to eps (B, 3, S, S)."""
        embedding = self.time_embed(t)
        h, laterals = torch.cat([xt, reference], dim=1), []
        for block in self.input_blocks:
            h = block(h, z, embedding)
            laterals.append(h)
        h = self.middle_block(h, z, embedding)
        for block in self.output_blocks:
            h = block(torch.cat([h, laterals.pop()], dim=1), z, embedding)
        return self.out(h)
