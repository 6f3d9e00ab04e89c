"""The conformer (Gulati et al. 2020) with relative positional encoding (Transformer-XL, Dai et al. 2019), post-norm.

Sequences are (B, T, C). `valid` (B, T) is True where a padded batch holds data; None means everywhere. The output at
valid positions does not depend on what the padding holds.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.errors import UsageError


def relative_positions(length: int, width: int, like: Tensor) -> Tensor:
    """Sinusoidal encoding (2 T − 1, C) of the distances T − 1, …, −(T − 1): sine in even columns, cosine in odd ones.

    length: T. width: C. like: a tensor whose type and device the encoding gets.
    """
    distances = torch.arange(length - 1, -length, -1, device=like.device, dtype=torch.float32)
    frequencies = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000.0) / width))
    angles = distances[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(like.dtype)


class RelativeAttention(nn.Module):
    """Multi-head self-attention with relative positional encoding.

    score(i, j) = ((q_i + u) · k_j + (q_i + v) · p_{i−j}) / √(C / heads). p is a linear projection of the sinusoidal
    encoding of the distance i − j; u and v are learnt biases.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(width, width) for _ in range(4))
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u, self.pos_bias_v = (nn.Parameter(torch.zeros(heads, width // heads)) for _ in range(2))

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """(B, T, C) to (B, T, C); positions (2 T − 1, C): `relative_positions`."""
        q, k, v = (self._split(linear(x)) for linear in (self.linear_q, self.linear_k, self.linear_v))
        p = self._split(self.linear_pos(positions)[None])
        scores = (q + self.pos_bias_v[:, None]) @ p.transpose(-1, -2) / math.sqrt(q.shape[-1])
        bias = relative_shift(scores)
        if valid is not None:
            bias = bias.masked_fill(~valid[:, None, None], -math.inf)
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q + self.pos_bias_u[:, None], k, v, attn_mask=bias, dropout_p=dropout)
        return self.linear_out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, heads, T, C / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def relative_shift(scores: Tensor) -> Tensor:
    """Scores by distance to scores by key: (..., T, 2 T − 1) to (..., T, T).

    The last axis of the input is the distance, from T − 1 down to −(T − 1). out[i, j] is the score of distance i − j.
    Pads one column and reinterprets the rows (Transformer-XL, appendix B).
    """
    length = scores.shape[-2]
    flat = F.pad(scores, (1, 0)).flatten(-2)
    return flat[..., length:].unflatten(-1, (length, 2 * length - 1))[..., :length]


class FeedForward(nn.Module):
    """Linear, swish, linear."""

    def __init__(self, width: int, hidden: int, dropout: float):
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C), each position on its own."""
        return self.w_2(self.dropout(F.silu(self.w_1(x))))


class Convolution(nn.Module):
    """Pointwise convolution to twice the width, GLU, depthwise convolution, batch norm, swish, pointwise."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1)
        self.depthwise_conv = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.BatchNorm1d(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """(B, T, C) to (B, T, C); padding is treated as zeros."""
        x = F.glu(self.pointwise_conv1(x.transpose(1, 2)), dim=1)
        if valid is not None:
            x = x * valid[:, None]
        x = F.silu(self._normalise(self.depthwise_conv(x), valid))
        return self.pointwise_conv2(x).transpose(1, 2)

    def _normalise(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Batch norm of x (B, C, T) over the valid positions; zero elsewhere.

        A single valid position has no variance, so it is normalised with the running statistics.
        """
        if valid is None:
            return self.norm(x)
        x = x.transpose(1, 2)
        data, norm = x[valid], self.norm
        if len(data) > 1:
            data = norm(data)
        else:
            data = F.batch_norm(data, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        return torch.zeros_like(x).masked_scatter(valid[..., None], data.to(x.dtype)).transpose(1, 2)


class ConformerBlock(nn.Module):
    """Half-step feed-forward, attention, convolution, half-step feed-forward, each with a residual and a layer norm."""

    def __init__(self, width: int, heads: int, hidden: int, kernel: int, dropout: float):
        super().__init__()
        self.feed_forward_macaron = FeedForward(width, hidden, dropout)
        self.self_attn = RelativeAttention(width, heads, dropout)
        self.conv_module = Convolution(width, kernel)
        self.feed_forward = FeedForward(width, hidden, dropout)
        self.norm_ff_macaron, self.norm_mha, self.norm_conv, self.norm_ff, self.norm_final = (
            nn.LayerNorm(width, eps=1e-12) for _ in range(5)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor | None) -> Tensor:
        """(B, T, C) to (B, T, C); positions: `relative_positions`."""
        x = self.norm_ff_macaron(x + 0.5 * self.dropout(self.feed_forward_macaron(x)))
        x = self.norm_mha(x + self.dropout(self.self_attn(x, positions, valid)))
        x = self.norm_conv(x + self.dropout(self.conv_module(x, valid)))
        x = self.norm_ff(x + 0.5 * self.dropout(self.feed_forward(x)))
        return self.norm_final(x)


class Conformer(nn.Module):
    """A stack of conformer blocks. The input is first multiplied by √C. Tensor names are those of the released code.

    blocks: number of conformer blocks. width: C. heads: of the self-attention. hidden: width of the feed-forward
    layers. kernel: of the depthwise convolution, odd.
    """

    def __init__(self, blocks: int, width: int, heads: int, hidden: int, kernel: int, dropout: float):
        super().__init__()
        self.encoders = nn.ModuleList(ConformerBlock(width, heads, hidden, kernel, dropout) for _ in range(blocks))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        positions = self.dropout(relative_positions(x.shape[1], x.shape[2], x))
        x = self.dropout(x * math.sqrt(x.shape[2]))
        for block in self.encoders:
            x = block(x, positions, valid)
        return x


def check_attention_sizes(width: int, heads: int, cross_heads: int, kernel: int) -> None:
    """Raise `UsageError` unless conformers and cross-attention of these sizes can be built."""
    for name, count in (("heads", heads), ("cross-attention heads", cross_heads)):
        if width % count:
            raise UsageError(f"motion model width {width} is not a multiple of its {count} {name}")
    if width % 2 or not kernel % 2:
        raise UsageError(f"motion model width must be even and kernel odd, got {width} and {kernel}")
