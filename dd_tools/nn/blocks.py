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
        return self._normalise(x, self.weight, self.bias)

    def scaled(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """The normalised features (B, C, H, W), times `scale` (B, C), plus `shift` (B, C).

        A single image is scaled by the weights of the normalisation: another pass over large features takes time.
        """
        if len(x) == 1:
            return self._normalise(x, self.weight * scale[0], self.bias * scale[0] + shift[0])
        return torch.addcmul(shift[..., None, None], self(x), scale[..., None, None])

    def _normalise(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.group_norm(x.float(), self.num_groups, weight.float(), bias.float(), self.eps).to(x.dtype)


class SiLU(nn.Module):
    """SiLU of features that nothing else uses: in place, unless a gradient will need them."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.silu(x, inplace=not x.requires_grad)


class Upsample(nn.Module):
    """Nearest-neighbour upsampling by two."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2 H, 2 W)."""
        return F.interpolate(x, scale_factor=2, mode="nearest")


# Of a kernel's three rows, those that fall on the first and the second row of the image before upsampling: for the even
# rows after it, and for the odd ones. The same holds for columns.
_MERGED_ROWS = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], device="cpu")


def upsampled_convolution(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A 3×3 `convolution` of the features (B, C, H, W) after `Upsample`: (B, C', 2 H, 2 W).

    Repeated pixels are multiplied once, by the sum of their weights. That is 4/9 of the work.
    """
    height, width = x.shape[2:]
    rows = _MERGED_ROWS.to(convolution.weight)
    kernels = torch.einsum("pas,qbt,oist->pqoiab", rows, rows, convolution.weight)
    parts = F.conv2d(x, kernels.flatten(0, 2).contiguous(memory_format=torch.channels_last), padding=1)
    result = x.new_empty(len(x), 2 * height, 2 * width, parts.shape[1] // 4).permute(0, 3, 1, 2)
    for number, part in enumerate(parts.chunk(4, 1)):
        row, column = divmod(number, 2)
        result[..., row::2, column::2] = part[..., row : row + height, column : column + width]
    return result.add_(convolution.bias[:, None, None])


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
        self.in_layers = nn.Sequential(GroupNorm32(channels), SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1))
        self.resample = resample()
        self.emb_layers = self.cond_emb_layers = self.out_layers = None
        if embedding_size is not None:
            self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding_size, 2 * out_channels))
        if z_size is not None:
            self.cond_emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(z_size, out_channels))
            self.out_layers = nn.Sequential(
                GroupNorm32(out_channels),
                SiLU(),
                nn.Dropout(dropout),
                zero_init(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
            )
        self.skip_connection = nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, z: Tensor | None = None, embedding: Tensor | None = None) -> Tensor:
        """(B, C, H, W), latent (B, Z), time embedding (B, E) to (B, C', H', W')."""
        norm, activation, convolution = self.in_layers
        h = activation(norm(x))
        if isinstance(self.resample, Upsample) and h.device.type == "cpu" and not h.requires_grad:
            h = upsampled_convolution(convolution, h)
        else:
            h = convolution(self.resample(h))
        if self.out_layers is not None:
            h = self._condition(h, z, embedding)
        return h.add_(self.skip_connection(self.resample(x)))

    def _condition(self, h: Tensor, z: Tensor, embedding: Tensor | None) -> Tensor:
        norm, activation, dropout, convolution = self.out_layers
        scale = 1 + self.cond_emb_layers(z)
        shift = torch.zeros_like(scale)
        if self.emb_layers is not None:
            time_scale, time_shift = self.emb_layers(embedding).chunk(2, dim=1)
            scale, shift = scale * (1 + time_scale), scale * time_shift
        return convolution(dropout(activation(norm.scaled(h, scale, shift))))


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
