"""The training loss of stage 1: masked squared error, more at the lips, detail, and an optional perceptual distance."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.nn.images import composite
from dd_tools.warp.flow import sample_image
from dd_tools.warp.lip_maps import LIP_POINTS
from dd_tools.warp.network import WarpNetwork

LIP_WEIGHT = 4.0  # additional weight of pixels at the lips, which are few but show the speech
LIP_RADIUS = 0.08  # distance from a landmark of the lips, in half sides, at which that weight has fallen to 1 / e
DETAIL_WEIGHT = 0.5  # of the difference in detail, against 1 of the squared error
DETAIL_WINDOW = 8  # pixels; side of the windows in which detail is measured, which are half as far apart
PERCEPTUAL_WEIGHT = 0.5  # of the perceptual distances, against 1 of the squared error
CLOSE_UP = 0.5  # side of the close-up of the mouth, as a fraction of the crop

# The distances (B,) between two batches of images (B, 3, S, S) in [−1, 1].
Distance = Callable[[Tensor, Tensor], Tensor]


class PaintingLoss(nn.Module):
    """Weighted squared error of the painted pixels and difference in `detail` at the lips, for the training loop.

    The squared error alone makes blurred teeth: it blends references where it is not certain of one.

    keep_encoder: freeze the semantic encoder and the statistics of the latents, so that existing latents and motion
    models stay valid.
    perceptual: a distance such as LPIPS, added for the whole crop and for a close-up of the mouth. The squared error
    alone makes a small network blur.
    """

    def __init__(self, model: WarpNetwork, *, keep_encoder: bool = False, perceptual: Distance | None = None):
        super().__init__()
        self.model, self.keep_encoder, self.perceptual = model, keep_encoder, perceptual
        model.encoder.requires_grad_(not keep_encoder)

    def train(self, mode: bool = True) -> "PaintingLoss":
        """Set the training mode, as for any module. A frozen encoder stays in eval mode."""
        super().train(mode)
        if self.keep_encoder:
            self.model.encoder.eval()
            self.model.normalise.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `RendererData`: a scalar."""
        image, mask, faces = batch["image"], batch["mask"], batch["faces"]
        codes = self.model.encoder(faces.flatten(0, 1)).unflatten(0, faces.shape[:2])
        if "code_shares" in batch:
            codes = share_codes(codes, batch["code_shares"])
        painted = self.model(image, mask, batch["references"], codes, batch["points"])
        lips = mask * lip_weight(batch["points"][:, 0], image.shape[-1])
        loss = ((mask + LIP_WEIGHT * lips) * (painted - image).square()).mean()
        loss = loss + DETAIL_WEIGHT * detail_difference(painted.float(), image, lips)
        if self.perceptual:
            loss = loss + PERCEPTUAL_WEIGHT * self._perceptual(painted, batch)
        return loss

    def _perceptual(self, painted: Tensor, batch: dict[str, Tensor]) -> Tensor:
        image, points = batch["image"], batch["points"][:, 0]
        pair = torch.cat([composite(painted.float().clamp(-1, 1), image, batch["mask"]), image])
        mouth = close_up(pair, points.repeat(2, 1, 1))
        return sum(self.perceptual(*view.chunk(2)).mean() for view in (pair, mouth))


def share_codes(codes: Tensor, shares: Tensor) -> Tensor:
    """Codes (B, 1 + K, C), of which the first is only by `shares` (B,) its own, and else the mean of the others."""
    others = codes[:, 1:]
    own = torch.lerp(others.mean(1), codes[:, 0], shares[:, None].to(codes.dtype))
    return torch.cat([own[:, None], others], 1)


def lip_weight(points: Tensor, size: int) -> Tensor:
    """Weights (B, 1, S, S): 1 at the landmarks of the lips, falling to 0 around them.

    points (B, 46, 2): `alignment_points`, from −1 to 1 across the image. size: S.
    """
    grid = (torch.arange(size, device=points.device) + 0.5) * 2 / size - 1
    x, y = (points[:, -LIP_POINTS:, axis, None].sub(grid).square() for axis in (0, 1))  # (B, 20, S)
    nearest = (x[:, :, None] + y[..., None]).amin(1, keepdim=True)
    return (-nearest / LIP_RADIUS**2).exp()


def detail_difference(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """Mean difference in `detail` between two batches of images (B, 3, S, S), weighted by `weight` (B, 1, S, S).

    All images count equally, so that the mean over processes is that over the samples of all of them.
    """
    weight = F.avg_pool2d(weight, DETAIL_WINDOW, DETAIL_WINDOW // 2).flatten(1)
    difference = (detail(one) - detail(other)).abs().flatten(1)
    return ((weight * difference).sum(1) / weight.sum(1).clamp(min=1e-6)).mean()


def detail(image: Tensor) -> Tensor:
    """Root mean square of the gradient of brightness in windows: images (B, 3, S, S) to (B, 1, h, h)."""
    down, right = torch.gradient(image.mean(1, keepdim=True), dim=(2, 3))
    energy = F.avg_pool2d(down.square() + right.square(), DETAIL_WINDOW, DETAIL_WINDOW // 2)
    return (energy + 1e-4).sqrt()


def close_up(image: Tensor, points: Tensor) -> Tensor:
    """The part of images (B, C, S, S) around the lips, enlarged to the same size; points as for `lip_weight`."""
    centre = points[:, -LIP_POINTS:].mean(1)
    scale = CLOSE_UP * torch.eye(2, device=image.device).expand(len(image), 2, 2)
    return sample_image(image, torch.cat([scale, centre[:, :, None]], dim=2))
