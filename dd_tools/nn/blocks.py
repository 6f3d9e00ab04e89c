"""Residual and attention blocks of the U-Nets and semantic encoders, those of Diff-AE (Preechakul et al. 2022).

Feature maps are (B, C, H, W).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def zero_init(layer: nn.Module) -> nn.Module:
    """Set all parameters of `layer` to zero, so that a residual branch starts as the identity (Dhariwal & Nichol)."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class GroupNorm32(nn.GroupNorm):
    """Group normalisation in float32, whatever the input's type; gcd(32, channels) groups."""

    def __init__(self, channels: int):
        super().__init__(math.gcd(32, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape and type."""
        if x.dtype == torch.float32:
            return super().forward(x)
        return F.group_norm(x.float(), self.num_groups, self.weight.float(), self.bias.float(), self.eps).to(x.dtype)


class Upsample(nn.Module):
    """Nearest-neighbour upsampling by two."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2 H, 2 W)."""
        return F.interpolate(x, scale_factor=2, mode="nearest")


class Downsample(nn.Module):
    """2×2 mean pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H/2, W/2)."""
        return F.avg_pool2d(x, 2)


class ResBlock(nn.Module):
    """A residual block, optionally conditioned and optionally resampling.

    z_size: width of the latent, which scales the normalised features (`cond_emb_layers`). None for a block without
    conditions, as in the semantic encoder; it has no second convolution.
    embedding_size: width of the time embedding, which scales and shifts the features before the latent scales them
    (`emb_layers`). None for a block without one.
    dropout: before the second convolution.
    resample: `Upsample` or `Downsample`, applied between the first activation and the first convolution, and to the
    skip connection.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        *,
        z_size: int | None = None,
        embedding_size: int | None = None,
        dropout: float = 0.0,
        resample: type[nn.Module] = nn.Identity,
    ):
        super().__init__()
        self.in_layers = nn.Sequential(
            GroupNorm32(channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.resample = resample()
        self.emb_layers = self.cond_emb_layers = self.out_layers = None
        if embedding_size is not None:
            self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding_size, 2 * out_channels))
        if z_size is not None:
            self.cond_emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(z_size, out_channels))
            self.out_layers = nn.Sequential(
                GroupNorm32(out_channels),
                nn.SiLU(),
                nn.Dropout(dropout),
                zero_init(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
            )
        self.skip_connection = nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, z: Tensor | None = None, embedding: Tensor | None = None) -> Tensor:
        """(B, C, H, W), latent (B, Z), time embedding (B, E) to (B, C', H', W')."""
        norm, activation, convolution = self.in_layers
        h = convolution(self.resample(activation(norm(x))))
        if self.out_layers is not None:
            h = self._condition(h, z, embedding)
        return self.skip_connection(self.resample(x)) + h

    def _condition(self, h: Tensor, z: Tensor, embedding: Tensor | None) -> Tensor:
        norm, activation, dropout, convolution = self.out_layers
        h = norm(h)
        if self.emb_layers is not None:
            scale, shift = self.emb_layers(embedding)[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        h = h * (1 + self.cond_emb_layers(z)[:, :, None, None])
        return convolution(dropout(activation(h)))


class AttentionBlock(nn.Module):
    """Single-head self-attention over all positions, added to its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = GroupNorm32(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zero_init(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        batch, channels, *size = x.shape
        q, k, v = self.qkv(self.norm(x).reshape(batch, channels, -1)).transpose(1, 2).chunk(3, dim=2)
        h = F.scaled_dot_product_attention(q, k, v)  # scaled by 1/sqrt(C)
        return x + self.proj_out(h.transpose(1, 2)).reshape(batch, channels, *size)
