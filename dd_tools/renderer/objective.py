"""What stage 1 minimises: Eq. 2, the masked denoising error."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dd_tools.face.landmarks import MOUTH, MOUTH_REGION
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.deformation import follow
from dd_tools.renderer.diffusion import NUM_TIMESTEPS, paste_known, predicted_x0, q_sample, target

LIP_REACH = 0.08  # of half the side: how far from the lips' landmarks pixels still weigh more
_LIPS = [MOUTH_REGION.index(point) for point in range(MOUTH.start, MOUTH.stop)]
PERCEPTUAL = 0.5  # weight of the perceptual distances beside the squared error
CLOSE_UP = 0.5  # side of the part around the lips that is looked at on its own, as a share of the whole

# The distance (B,) of two images (B, 3, S, S) in [-1, 1].
Distance = Callable[[Tensor, Tensor], Tensor]


class MaskedDenoising(nn.Module):
    """L = mean over all pixels of (1 - m) (eps - eps_theta(x'_t, t, z_sem))^2, or the same with v or x_0 for epsilon
    (Eq. 2).

    The mean runs over known pixels too, where the error counts as zero, so the loss scales with the mask's area, as in
    the released code.

    Rectified samples are noised from the network's own estimate in place of x_0: a weak network learns to go on from
    what it meets when sampling, where each step would else add to the errors of the last (after DREAM, Zhou et al.
    2024).

    lips: pixels at the lips weigh 1 + lips; not in the paper. perceptual: a distance, as LPIPS is, that the estimated
    image's and its mouth's, enlarged, add to the loss; not in the paper, and it makes small networks paint edges where
    the mean error alone would have them blur. keep_encoder: train the U-Net alone; latents, and the motion models made
    for them, stay what they are.
    """

    def __init__(
        self, model: Renderer, *, keep_encoder: bool = False, lips: float = 0.0, perceptual: Distance | None = None
    ):
        super().__init__()
        self.model, self.keep_encoder, self.lips = model, keep_encoder, lips
        self.perceptual = perceptual
        model.encoder.requires_grad_(not keep_encoder)

    def train(self, mode: bool = True) -> "MaskedDenoising":
        """As for any module; with a kept encoder the statistics of latents are kept too."""
        super().train(mode)
        if self.keep_encoder:
            self.model.encoder.eval()
            self.model.normalise.eval()
        return self

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch of `RendererData`."""
        model, config = self.model, self.model.config
        x0, mask, t, eps = batch["image"], batch["mask"], batch["t"], batch["eps"]
        reference = batch["references"].flatten(1, 2)
        points = batch["points"]
        encoded = slice(1 + config.compared)
        faces, placed = batch["faces"][:, encoded], points[:, encoded]
        z = model.condition(model.encode(faces.flatten(0, 1), placed.flatten(0, 1)).unflatten(0, faces.shape[:2]))
        xt = paste_known(q_sample(model.schedule, self._start(batch, reference, z), t, eps), x0, mask)
        output = model(xt, reference, t, z)
        error = output - target(model.schedule, config.prediction, x0, t, eps)
        weight = mask
        if self.lips:
            weight = mask * (1 + self.lips * at_lips(points[:, 0], x0.shape[-1]))
        loss = (weight * error.square()).mean()
        if self.perceptual:
            estimate = predicted_x0(model.schedule, config.prediction, output.float(), xt, t)
            pair = torch.cat([paste_known(estimate, x0, mask), x0])
            near = close_up(pair, points[:, 0].repeat(2, 1, 1))
            loss = loss + PERCEPTUAL * sum(self.perceptual(*view.chunk(2)).mean() for view in (pair, near))
        return loss

    @torch.no_grad()
    def _start(self, batch: dict[str, Tensor], reference: Tensor, z: Tensor) -> Tensor:
        """The images to add noise to: x_0, or for rectified samples what the first sampling step makes of eps."""
        model, rectify = self.model, batch["rectify"]
        if not rectify.any():
            return batch["image"]
        start, image = batch["image"].clone(), batch["image"][rectify]
        xT = paste_known(batch["eps"][rectify], image, batch["mask"][rectify])
        t = torch.full((len(xT),), NUM_TIMESTEPS - 1, device=xT.device)
        output = model(xT, reference[rectify], t, z[rectify])
        start[rectify] = predicted_x0(model.schedule, model.config.prediction, output, xT, t).to(start.dtype)
        return start


def at_lips(points: Tensor, size: int) -> Tensor:
    """(B, 1, S, S): 1 at a landmark of the lips, falling to 0 around; points: `MOUTH_REGION` (B, 25, 2) in [-1, 1]."""
    places = (torch.arange(size, device=points.device) + 0.5) * 2 / size - 1
    x, y = (points[:, _LIPS, axis, None].sub(places).square() for axis in (0, 1))  # (B, 20, S)
    nearest = (x[:, :, None] + y[..., None]).amin(1, keepdim=True)
    return (-nearest / LIP_REACH**2).exp()


def close_up(image: Tensor, points: Tensor) -> Tensor:
    """The part around the lips of images (B, C, S, S), enlarged to the same shape; points as for `at_lips`."""
    middle = points[:, _LIPS].mean(1)
    scale = CLOSE_UP * torch.eye(2, device=image.device).expand(len(image), 2, 2)
    return follow(image, torch.cat([scale, middle[:, :, None]], dim=2))
