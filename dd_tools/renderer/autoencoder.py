"""The diffusion auto-encoder: semantic encoder and inpainting U-Net with one configuration, and how it is stored."""

from pathlib import Path

from torch import Tensor, nn

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, read_checkpoint
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
        self.unet = UNet(config)

    def encode(self, face: Tensor) -> Tensor:
        """Face images (B, 3, S, S) in [-1, 1] to latents (B, Z)."""
        return self.encoder(face)

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
    renderer = Renderer(RendererConfig.from_json(checkpoint.config))
    try:
        renderer.load_state_dict(checkpoint.tensors)
    except RuntimeError as error:
        raise DataError(f"cannot use '{path}': {str(error).splitlines()[1].strip()}") from None
    return renderer.eval()
