"""Building blocks of the U-Net and the semantic encoder (Diff-AE's, after Dhariwal & Nichol). Maps are (B, C, H, W)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def zeroed(layer: nn.Module) -> nn.Module:
    """The layer with all parameters zero: a residual branch that starts silent learns better (Dhariwal & Nichol)."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class GroupNorm32(nn.GroupNorm):
    """Group normalisation with at most 32 groups, computed in float32 whatever the input's type."""

    def __init__(self, channels: int):
        super().__init__(math.gcd(32, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape and type."""
        if x.dtype == torch.float32:
            return super().forward(x)
        return F.group_norm(x.float(), self.num_groups, self.weight.float(), self.bias.float(), self.eps).to(x.dtype)


class Upsample(nn.Module):
    """Nearest neighbour, twice the size."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2 H, 2 W)."""
        return F.interpolate(x, scale_factor=2, mode="nearest")


class Downsample(nn.Module):
    """Mean of 2x2 pixels, half the size."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H/2, W/2)."""
        return F.avg_pool2d(x, 2)


class ResBlock(nn.Module):
    """A residual block, with or without conditions, optionally resampling between its first activation and convolution.

    With conditions, the time embedding scales and shifts the normalised features and the latent z scales them
    (`cond_emb_layers`); without (`embedding_size` None, the semantic encoder) there is no second half.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        *,
        embedding_size: int | None = None,
        z_size: int | None = None,
        dropout: float = 0.0,
        resample: type[nn.Module] = nn.Identity,
    ):
        super().__init__()
        self.in_layers = nn.Sequential(
            GroupNorm32(channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.resample = resample()
        if embedding_size is not None:
            self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding_size, 2 * out_channels))
            self.cond_emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(z_size, out_channels))
            self.out_layers = nn.Sequential(
                GroupNorm32(out_channels),
                nn.SiLU(),
                nn.Dropout(dropout),
                zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
            )
        self.has_conditions = embedding_size is not None
        self.skip_connection = nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, embedding: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """(B, C, H, W), time embedding (B, E), latent (B, Z) to (B, C', H', W')."""
        norm, activation, convolution = self.in_layers
        h = convolution(self.resample(activation(norm(x))))
        if self.has_conditions:
            h = self._modulated(h, embedding, z)
        return self.skip_connection(self.resample(x)) + h

    def _modulated(self, h: Tensor, embedding: Tensor, z: Tensor) -> Tensor:
        scale, shift = self.emb_layers(embedding)[:, :, None, None].chunk(2, dim=1)
        z_scale = self.cond_emb_layers(z)[:, :, None, None]
        norm, activation, dropout, convolution = self.out_layers
        h = (norm(h) * (1 + scale) + shift) * (1 + z_scale)
        return convolution(dropout(activation(h)))


class AttentionBlock(nn.Module):
    """Single-head self-attention over all positions, added to its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = GroupNorm32(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        batch, channels, *size = x.shape
        q, k, v = self.qkv(self.norm(x).reshape(batch, channels, -1)).transpose(1, 2).chunk(3, dim=2)
        h = F.scaled_dot_product_attention(q, k, v)  # scaled by 1/sqrt(C)
        return x + self.proj_out(h.transpose(1, 2)).reshape(batch, channels, *size)


def timestep_embedding(t: Tensor, size: int) -> Tensor:
    """Sinusoids (B, size) of the integer timesteps (B,): the cosine half first; frequencies 10000^(-i/half)."""
    half = size // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)
