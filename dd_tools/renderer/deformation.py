"""Bending an image along a flow field, to keep the skin one is shown (after DINet, Zhang et al. 2023).

A network of few channels cannot carry a face through its bottleneck; it can say where each of its parts moved.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


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
    grid = F.affine_grid(affine, list(image.shape), align_corners=False) + offsets
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="border", align_corners=False)
