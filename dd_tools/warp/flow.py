"""Image warping along a flow, and the head that predicts flow and blend weights for the reference images.

A flow (B, 2, h, h) holds x and y in units of its own cells, which are S / h pixels of an image of side S. The output at
p is the image at p + flow(p).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.nn.blocks import GroupNorm32, SiLU, zero_init
from dd_tools.nn.interpolation import resize

FIRST_REFERENCE_LOGIT = 2.0  # of the first reference's weight in a new network; the others have 0


class FlowBlend(nn.Module):
    """Blends reference images, each warped along its own flow, with softmax weights.

    Flows and weights are predicted at twice the resolution of the features. In a new network the flow is zero and the
    first reference has most weight.
    """

    def __init__(self, channels: int, references: int):
        super().__init__()
        self.references = references
        # x and y of the flow per reference, then a logit per reference; four of each, for twice the resolution.
        convolution = zero_init(nn.Conv2d(channels, 4 * 3 * references, 3, padding=1))
        nn.init.constant_(convolution.bias[8 * references :][:4], FIRST_REFERENCE_LOGIT)
        self.head = nn.Sequential(GroupNorm32(channels), SiLU(), convolution)

    def forward(self, h: Tensor, references: Tensor, aligning: Tensor) -> Tensor:
        """Features (B, C, h, h) and K reference images (B, K, 3, S, S) of any size to one image (B, 3, S, S).

        aligning: flow (B, K, 2, 2 h, 2 h) that aligns the references. The predicted flow applies to aligned references;
        both are composed, so that each reference is sampled once and keeps its detail.
        """
        flows, logits = F.pixel_shuffle(self.head(h), 2).split([2 * self.references, self.references], dim=1)
        flows = compose(flows.unflatten(1, (self.references, 2)).flatten(0, 1), aligning.flatten(0, 1))
        warped = warp(references.flatten(0, 1), flows).view_as(references)
        weights = resize(logits.float().softmax(1), references.shape[-1])
        (first, *images), (weight, *shares) = warped.unbind(1), weights[:, :, None].unbind(1)
        blended = weight * first
        for image, share in zip(images, shares, strict=True):
            blended.addcmul_(image, share)
        return blended


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """The image (B, C, S, S) warped along a flow (B, 2, h, h), which is resized bilinearly.

    The border of the image is repeated outside.
    """
    size = image.shape[-1]
    grid = torch.add(_places(size, image.device), resize(flow, size), alpha=2 / flow.shape[-1])
    return _sample(image, grid.permute(0, 2, 3, 1))


def compose(flow: Tensor, first: Tensor) -> Tensor:
    """The flow (B, 2, h, h) with the effect of warping along the flow `first` (B, 2, h, h), then along `flow`."""
    flow = flow.float()
    return flow + warp(first, flow)


def sample_image(image: Tensor, affine: Tensor, offsets: Tensor | float = 0.0) -> Tensor:
    """Sample an image (B, C, S, S) bilinearly: the output at p is the image at affine · p + offsets(p).

    affine: (B, 2, 3). offsets: (B, S, S, 2). Positions run from −1 to 1 across the image; its border is repeated
    outside.
    """
    with torch.autocast(image.device.type, enabled=False):  # half precision is too coarse for positions
        grid = F.affine_grid(affine.float(), list(image.shape), align_corners=False) + offsets
    return _sample(image, grid)


def _sample(image: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="border", align_corners=False)


def _places(size: int, device: torch.device) -> Tensor:
    """x and y of the centres of pixels (1, 2, size, size), from −1 to 1 across the image."""
    centres = (torch.arange(size, device=device) + 0.5) * 2 / size - 1
    return torch.stack(torch.meshgrid(centres, centres, indexing="xy"))[None]
