"""The network of the inpainting renderer: Diff-AE's U-Net, conditioned on timestep and latent (section 2.1)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dd_tools.nn.blocks import GroupNorm32, zero_init
from dd_tools.nn.unet import Levels, down_path, middle_block, up_path

IMAGE_CHANNELS = 3

# Blocks at the start of the down path, and as many at the end of the up path, that are not deep; see `DeepFeatures`.
# With one, a step that only runs these takes 11 % of the operations of a whole one for preset paper and 16 % for small,
# with two 30 % and 41 %, and with the whole first level 48 % and 41 %.
SHALLOW_BLOCKS = 1


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


class DeepFeatures:
    """Lets consecutive sampling steps of one batch share the deep features of the U-Net (DeepCache, Ma et al. 2023).

    Make a new one for every batch. interval: features are computed at the first of so many steps, and kept for the
    others; 1 computes them at every step.
    """

    def __init__(self, interval: int):
        self.interval, self.step, self.features = interval, 0, None

    def __call__(self, compute: Callable[[], Tensor]) -> Tensor:
        """The features for the next step: those that `compute` returns, or those of an earlier step."""
        if self.step % self.interval == 0:
            self.features = compute()
        self.step += 1
        return self.features


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
            GroupNorm32(channels), nn.SiLU(), zero_init(nn.Conv2d(channels, IMAGE_CHANNELS, 3, padding=1))
        )

    def forward(self, xt: Tensor, reference: Tensor, t: Tensor, z: Tensor, deep: DeepFeatures | None = None) -> Tensor:
        """x'_t and reference image (B, 3, S, S), t (B,), z (B, Z) to eps (B, 3, S, S).

        deep: from where to take deep features of an earlier step; None computes them.
        """
        deep = deep or DeepFeatures(interval=1)
        return self.out(self._nested(0, torch.cat([xt, reference], dim=1), deep, z, self.time_embed(t)))

    def _nested(self, depth: int, h: Tensor, deep: DeepFeatures, *conditions: Tensor) -> Tensor:
        """Features through a block of the down path, all blocks below, and the block of the up path opposite to it.

        depth: number of the block of the down path; that of the middle block is one more than the last.
        """
        if depth == len(self.input_blocks):
            return self.middle_block(h, *conditions)
        lateral = self.input_blocks[depth](h, *conditions)

        def below() -> Tensor:
            return self._nested(depth + 1, lateral, deep, *conditions)

        h = deep(below) if depth == SHALLOW_BLOCKS - 1 else below()
        return self.output_blocks[-1 - depth](torch.cat([h, lateral], dim=1), *conditions)
