"""The diffusion auto-encoder: semantic encoder and inpainting U-Net with one configuration, and how it is stored."""

from pathlib import Path

import torch
from torch import Tensor, nn

from dd_tools.formats.checkpoint import RENDERER, Checkpoint, module_with, read_checkpoint
from dd_tools.renderer.config import RendererConfig
from dd_tools.renderer.diffusion import Schedule
from dd_tools.renderer.networks import SemanticEncoder, UNet


class Renderer(nn.Module):
    """Stage 1 as one module. `encode` gives latents; `forward` is the U-Net's prediction at one timestep."""

    def __init__(self, config: RendererConfig):
        super().__init__()
        self.config = config
        self.schedule = Schedule.named(config.schedule)
        self.encoder = SemanticEncoder(config)
        self.normalise = nn.BatchNorm1d(config.z_size, affine=False) if config.z_map else nn.Identity()
        self.unet = UNet(config)

    def encode(self, face: Tensor, points: Tensor | None = None) -> Tensor:
        """Faces (B, 3, S, S) in [-1, 1] and, with z_points, their `MOUTH_REGION` (B, 25, 2) to latents (B, Z)."""
        seen = self.encoder(face)
        if not self.config.z_points:
            return seen
        if points is None:
            raise ValueError("a renderer with z_points needs points")
        return torch.cat([seen, points.flatten(1)], dim=1)

    def condition(self, z: Tensor) -> Tensor:
        """What the U-Net is told (B, `condition_size`) of latents (B, 1 + `compared`, Z), the image's and then its
        references'.

        Points among them are those in the crop, in [-1, 1]. All are normalised as one batch, in training too.
        """
        z = self.normalise(z.flatten(0, 1)).unflatten(0, z.shape[:2])
        return (z[:, :1] - z[:, 1:]).flatten(1) if self.config.z_relative else z[:, 0]

    def forward(self, xt: Tensor, reference: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """The network's prediction (see the configuration), shapes as in `UNet.forward`."""
        return self.unet(xt, reference, t, z)


def load_renderer(path: str | Path) -> Renderer:
    """A renderer from its weights file, in eval mode on the CPU. Raises `DataError` if the file is not one or does not
    fit.
    """
    return renderer_from(read_checkpoint(path, RENDERER), path)


def renderer_from(checkpoint: Checkpoint, path: str | Path) -> Renderer:
    """Build the renderer a checkpoint describes; `path` is for the error message."""
    config = RendererConfig.from_json(checkpoint.config)
    return module_with(checkpoint.tensors, lambda: Renderer(config), path)
