"""Runs a trained stage 1 on clips: encodes face images, and paints by sampling from one shared x_T."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.diffusion import NUM_TIMESTEPS, shared_noise
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.sampling import DDIM, SOLVERS, sample_at
from dd_tools.errors import DataError, UsageError
from dd_tools.face.face_images import face_images
from dd_tools.formats.checkpoint import Checkpoint, module_with
from dd_tools.formats.clip import Clip
from dd_tools.nn.device import AUTO, DTYPES, choose_dtype, computing, keep_freed_memory, memory_format
from dd_tools.nn.images import composite, to_frames, to_images, to_masks

STEPS = 20  # T in section 3.1


class DiffDubRenderer:
    """Implements `dd_tools.pipeline.interfaces.Renderer` with a `DiffusionAutoencoder`.

    dtype: name of the floating-point format, see `choose_dtype`.
    """

    painting_options = ("steps", "solver", "seed", "x_t")

    def __init__(
        self,
        network: DiffusionAutoencoder,
        device: torch.device | str = "cpu",
        dtype: str = AUTO,
    ):
        self.device = torch.device(device)
        self.network = network.to(self.device, memory_format=memory_format(self.device)).eval()
        self.encoding_dtype = DTYPES[choose_dtype(dtype, self.device)]
        self.painting_dtype = DTYPES[choose_dtype(dtype, self.device, fast=True)]
        self.framing, self.z_size = network.config.framing, network.config.z_size

    def compile(self) -> None:
        """See `Renderer.compile`."""
        self.network.compile(dynamic=False)

    def encoder(self, clip: Clip) -> "Encoder":
        """See `Renderer.encoder`."""
        return Encoder(self, clip)

    def painter(
        self,
        clip: Clip,
        *,
        steps: int | None = None,
        solver: str = DDIM,
        seed: int = 0,
        x_t: np.ndarray | None = None,
    ) -> "Painter":
        """See `Renderer.painter`.

        steps: number of sampling steps; None for `STEPS`, or for those of a distilled renderer, which takes no other.
        solver: a key of `SOLVERS`. seed: of the x_T that all frames share. x_t (3, S, S): this x_T, instead of a seed.
        """
        timesteps = painting_timesteps(self.network.config, steps, solver)
        if x_t is not None and x_t.shape != (3, clip.size, clip.size):
            raise DataError(f"x_T has shape {x_t.shape}, expected {(3, clip.size, clip.size)}")
        xT = shared_noise(clip.size, seed) if x_t is None else torch.from_numpy(x_t.astype(np.float32))[None]
        return Painter(self, clip, xT, timesteps, solver)


def painting_timesteps(config: RendererConfig, steps: int | None, solver: str) -> Sequence[int]:
    """The timesteps of sampling with `steps` and `solver`, see `DiffDubRenderer.painter`. Raises `UsageError`."""
    if solver not in SOLVERS:
        raise UsageError(f"unknown solver '{solver}', expected {', '.join(SOLVERS)}")
    if steps is not None and not 1 <= steps <= NUM_TIMESTEPS:
        raise UsageError(f"steps must be from 1 to {NUM_TIMESTEPS}, got {steps}")
    if not config.timesteps:
        return SOLVERS[solver].timesteps(STEPS if steps is None else steps)
    own = len(config.timesteps)
    if steps not in (None, own) or solver != DDIM:
        raise UsageError(f"the renderer is distilled: it paints in {own} {DDIM} steps only; leave out steps and solver")
    return config.timesteps


class Encoder:
    """Encodes the face images of one clip."""

    def __init__(self, renderer: DiffDubRenderer, clip: Clip):
        self.renderer, self.clip = renderer, clip

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """See `ClipEncoder`."""
        network, device = self.renderer.network, self.renderer.device
        with computing(device, self.renderer.encoding_dtype):
            faces = to_images(face_images(self.clip, frames, network.config.eyes)).to(device)
            return network.encode(faces).float().cpu().numpy()


class Painter:
    """Paints frames of one clip. The reference image of all frames is the first usable frame."""

    def __init__(self, renderer: DiffDubRenderer, clip: Clip, xT: Tensor, timesteps: Sequence[int], solver: str):
        self.renderer, self.clip = renderer, clip
        self.timesteps, self.solver = timesteps, solver
        self.xT = xT.to(renderer.device)
        self.reference = to_images(clip.frames[clip.usable[0]][None]).to(renderer.device)
        if renderer.device.type == "cpu":
            keep_freed_memory()

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray, pts: np.ndarray, latents: np.ndarray, span: slice) -> np.ndarray:
        """See `ClipPainter`."""
        with computing(self.renderer.device, self.renderer.painting_dtype):
            return self._paint(frames[span], latents[span])

    def _paint(self, frames: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """Painted crops uint8 (N, S, S, 3) of `frames` (N,) with latents (N, Z)."""
        device, network = self.renderer.device, self.renderer.network
        x0 = to_images(np.stack([self.clip.frames[frame] for frame in frames])).to(device)
        mask = to_masks(np.stack([self.clip.mask[frame] for frame in frames])).to(device)
        z = torch.from_numpy(latents).to(device)
        reference, xT = self.reference.expand_as(x0), self.xT.expand_as(x0)

        def denoise(xt: Tensor, t: Tensor) -> Tensor:
            return network.denoise(xt, reference, t, z)

        # The released demo does not composite after the last step; known pixels then come out approximately.
        painted = sample_at(self.timesteps, denoise, xT, x0, mask, self.solver)
        return to_frames(composite(painted, x0, mask))


def renderer_from(
    checkpoint: Checkpoint, path: str | Path, device: torch.device | str, dtype: str = AUTO
) -> DiffDubRenderer:
    """The renderer in a checkpoint. path: its file, for error messages. Raises `DataError` if it does not fit."""
    return DiffDubRenderer(network_from(checkpoint, path), device, dtype)


def network_from(checkpoint: Checkpoint, path: str | Path) -> DiffusionAutoencoder:
    """The network in a checkpoint, in eval mode on the CPU. See `renderer_from`."""
    return module_with(
        checkpoint.tensors, lambda: DiffusionAutoencoder(RendererConfig.from_json(checkpoint.config)), path
    )
