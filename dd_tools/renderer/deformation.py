"""Bending images along a flow field, to keep the skin one is shown (after DINet, Zhang et al. 2023).

A network of few channels cannot carry a face through its bottleneck; it can say where each of its parts moved.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.renderer.blocks import GroupNorm32, zeroed

FIRST_ONE = 2.0  # the logit by which the first reference outweighs the others before training


class Bending(nn.Module):
    """Reference images, each bent along a flow of its own, blended: maps of both at twice the features' size."""

    def __init__(self, channels: int, references: int):
        super().__init__()
        self.references = references
        # For every reference the flow's x and y, then for every one a weight; four of each, for the larger size.
        convolution = zeroed(nn.Conv2d(channels, 4 * 3 * references, 3, padding=1))
        nn.init.constant_(convolution.bias[8 * references :][:4], FIRST_ONE)
        self.maps = nn.Sequential(GroupNorm32(channels), nn.SiLU(), convolution)

    def forward(self, h: Tensor, reference: Tensor) -> Tensor:
        """Features (B, C, h, h) and K images (B, 3 K, S, S) to one (B, 3, S, S)."""
        maps = F.pixel_shuffle(self.maps(h), 2)
        flows, weights = maps.split([2 * self.references, self.references], dim=1)
        weights = F.interpolate(
            weights.float().softmax(1), size=reference.shape[-2:], mode="bilinear", align_corners=False
        )
        images = [deform(*pair) for pair in zip(reference.split(3, dim=1), flows.split(2, dim=1), strict=True)]
        return (torch.stack(images, dim=1) * weights[:, :, None]).sum(1)


def deform(image: Tensor, flow: Tensor) -> Tensor:
    """The image (B, C, S, S) fetched along a coarse flow (B, 2, h, h), spread smoothly over the pixels: output position
    p shows the image at p + flow(p). The flow is (x, y) in its own cells, S / h pixels each; beyond the edge the image
    goes on as its border.
    """
    cells = flow.shape[-1]
    flow = F.interpolate(flow.float(), size=image.shape[-2:], mode="bilinear", align_corners=False)
    still = torch.eye(2, 3, device=image.device).expand(len(image), 2, 3)
    return follow(image, still, flow.permute(0, 2, 3, 1) * (2 / cells))


def follow(image: Tensor, affine: Tensor, offsets: Tensor | float = 0.0) -> Tensor:
    """The image (B, C, S, S) fetched at affine (B, 2, 3) of each position plus offsets (B, S, S, 2), positions running
    from -1 to 1 across the image.
    """
    with torch.autocast(image.device.type, enabled=False):  # half precision is too coarse for places
        grid = F.affine_grid(affine.float(), list(image.shape), align_corners=False) + offsets
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="border", align_corners=False)
