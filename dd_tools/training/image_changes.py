"""Changes of many images at once, each by an amount of its own, on the device of the images.

Colours are those of images (N, 3, S, S) from 0 to 1. Positions run from −1 to 1 across an image.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA = (0.2989, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


def change_rows(images: Tensor, rows: Tensor, change: Callable[..., Tensor], *amounts: Tensor) -> Tensor:
    """`images` (N, ...), of which the `rows` int64 (n,) are replaced, in place, by ``change(those, *amounts)``."""
    if len(rows):
        images.index_copy_(0, rows, change(images.index_select(0, rows), *amounts))
    return images


def mirror(images: Tensor) -> Tensor:
    """Images (..., S, S) with left and right exchanged."""
    return images.flip(-1)


def luma(images: Tensor) -> Tensor:
    """The brightness (N, 1, S, S) of every pixel."""
    red, green, blue = images.split(1, 1)
    return torch.add(LUMA[0] * red, green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """``factor * images + (1 - factor) * other``, limited to 0 to 1. other: (N, 1, S, S), or less. factor: (N,)."""
    return torch.lerp(other, images, factor[:, None, None, None]).clamp_(0, 1)


def scale_colours(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, then contrast, then saturation scaled by `factors` (N, 3)."""
    images = (images * factors[:, 0, None, None, None]).clamp_(0, 1)
    images = blend(images, luma(images).mean((1, 2, 3), keepdim=True), factors[:, 1])
    return blend(images, luma(images), factors[:, 2])


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """The hue moved around the colour circle by `turns` (N,); value and saturation in HSV stay."""
    red, green, blue = images.unbind(1)
    value, least = images.amax(1), images.amin(1)
    chroma = value - least
    scale = 1 / torch.where(chroma > 0, chroma, 1)
    sixths = torch.where(
        value == red,
        (green - blue) * scale,
        torch.where(value == green, (blue - red) * scale + 2, (red - green) * scale + 4),
    )
    # A component is largest within one sixth of its own hue, and smallest beyond two; it changes linearly between.
    places = torch.arange(0, 6, 2, device=images.device)[None, :, None, None]
    distance = ((sixths + 6 * turns[:, None, None])[:, None] - places + 3).remainder(6).sub(3).abs()
    return value[:, None] - chroma[:, None] * (distance - 1).clamp(0, 1)


def blur(images: Tensor, weights: Tensor) -> Tensor:
    """Images (N, C, S, S), each convolved down and across with its `weights` (N, 2 r + 1); the border is reflected."""
    radius, side = weights.shape[1] // 2, images.shape[-1]
    padded = F.pad(images, (radius,) * 4, mode="reflect")
    return _weighted(_weighted(padded, weights, 3, side), weights, 2, side)


def _weighted(padded: Tensor, weights: Tensor, axis: int, side: int) -> Tensor:
    """The weighted sum of `side` columns or rows of images, shifted by 0, 1, ..."""
    first, *others = (weight[:, None, None, None] for weight in weights.unbind(1))
    total = padded.narrow(axis, 0, side) * first
    for shift, weight in enumerate(others, start=1):
        total.addcmul_(padded.narrow(axis, shift, side), weight)
    return total


def gaussian_weights(sigma: Tensor, radius: int) -> Tensor:
    """Weights (N, 2 radius + 1) of a Gaussian for `blur`. sigma: standard deviations (N,), in pixels."""
    pixels = torch.arange(-radius, radius + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (pixels / sigma[:, None]).square())
    return weights / weights.sum(1, keepdim=True)


def shift_scale_rotate(shift: Tensor, scale: Tensor, angle: Tensor) -> Tensor:
    """Maps (N, 2, 3) for `sample_black`, which turn images about their centre, scale them, then shift them.

    shift (N, 2): right and down, in sides. scale (N,). angle (N,): clockwise, in radians.
    """
    cos, sin = angle.cos() / scale, angle.sin() / scale
    inverse = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
    return torch.cat([inverse, -inverse @ (2 * shift)[:, :, None]], 2)


def sample_black(images: Tensor, maps: Tensor) -> Tensor:
    """Images (N, C, S, S) in [−1, 1], sampled bilinearly: the output at p is the image at map · p; black outside.

    maps: (N, 2, 3).
    """
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images + 1, grid, align_corners=False) - 1
