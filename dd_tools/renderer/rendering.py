"""Clip and latents to painted crops: DDIM over batches of frames, known pixels composited exactly."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.formats.clip import Clip, Status
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.diffusion import NUM_TIMESTEPS, ddim_sample, paste_known
from dd_tools.renderer.images import to_frames, to_images, to_masks
from dd_tools.renderer.timing import latents_at


@dataclass(frozen=True)
class Painted:
    """One output frame: index of the clip's frame behind it, its time in seconds, crop uint8 (S, S, 3), mask uint8 (S,
    S).

    The mask is empty where the frame passes through untouched.
    """

    index: int
    pts: float
    crop: np.ndarray
    mask: np.ndarray


def shared_noise(size: int, seed: int) -> Tensor:
    """The one x_T (1, 3, S, S) of all frames (section 2.2): the same on every device."""
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


def noise_from(array: np.ndarray) -> Tensor:
    """A user's own x_T (3, S, S) as (1, 3, S, S)."""
    return torch.from_numpy(array.astype(np.float32))[None]


class Painter:
    """A renderer at work on one clip.

    xT: (1, 3, S, S), shared by all frames. num_steps: of DDIM, None for the renderer's own. Raises `DataError` if clip
    and renderer do not fit each other, `UsageError` for impossible settings.
    """

    def __init__(
        self,
        renderer: Renderer,
        clip: Clip,
        xT: Tensor,
        *,
        num_steps: int | None = None,
        batch_size: int = 8,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ):
        renderer.config.check_fits(clip)
        num_steps = renderer.config.steps if num_steps is None else num_steps
        if not 1 <= num_steps <= NUM_TIMESTEPS:
            raise UsageError(f"steps must be between 1 and {NUM_TIMESTEPS}, got {num_steps}")
        if xT.shape != (1, 3, clip.size, clip.size):
            raise DataError(f"x_T has shape {tuple(xT.shape)}, expected {(1, 3, clip.size, clip.size)}")
        self.renderer, self.clip = renderer.to(device, memory_format=torch.channels_last).eval(), clip
        self.num_steps, self.batch_size, self.device, self.dtype = num_steps, batch_size, torch.device(device), dtype
        self.xT = xT.to(device)
        self.reference = to_images(clip.frames[int(clip.usable[0])][None]).to(device)

    def duration(self, latents: np.ndarray) -> float:
        """Seconds of the whole output: the clip's own, or for a still the latents'."""
        _, times = self.timeline(latents)
        rate = self.clip.source.frame_rate or LATENT_RATE
        return float(times[-1]) + 1 / rate

    def timeline(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Clip frame (N,) and time (N,) of every output frame: the clip's own, or for a still one a latent."""
        if self.clip.source.is_still:
            return np.zeros(len(latents), int), np.arange(len(latents)) / LATENT_RATE
        return np.arange(self.clip.length), self.clip.pts

    def paint(self, latents: np.ndarray, frames: slice = slice(None)) -> Iterator[Painted]:
        """Paint the lower face that `latents` (T, Z) say into the output frames selected by `frames`, in order."""
        if latents.shape[1] != self.renderer.config.z_size:
            raise DataError(f"latents have {latents.shape[1]} values, the renderer takes {self.renderer.config.z_size}")
        indices, times = (track[frames] for track in self.timeline(latents))
        motion = latents_at(latents, times)
        for start in range(0, len(indices), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield from self._paint_batch(indices[part], times[part], motion[part])

    def _paint_batch(self, indices: np.ndarray, times: np.ndarray, motion: np.ndarray) -> Iterator[Painted]:
        crops = np.stack([self.clip.frames[index] for index in indices])
        masks = np.stack([self.clip.mask[index] for index in indices])
        usable = self.clip.status[indices] == Status.OK
        masks[~usable] = 0
        if usable.any():
            crops[usable] = self._sample(crops[usable], masks[usable], motion[usable])
        for index, pts, crop, mask in zip(indices, times, crops, masks, strict=True):
            yield Painted(int(index), float(pts), crop, mask)

    @torch.inference_mode()
    def _sample(self, crops: np.ndarray, masks: np.ndarray, motion: np.ndarray) -> np.ndarray:
        known, mask = to_images(crops).to(self.device), to_masks(masks).to(self.device)
        z = torch.from_numpy(motion).to(self.device)
        reference = self.reference.expand_as(known)

        def predict(x: Tensor, t: Tensor) -> Tensor:
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                return self.renderer(x, reference, t, z).float()

        xT = self.xT.expand_as(known)
        schedule, prediction = self.renderer.schedule, self.renderer.config.prediction
        painted = ddim_sample(predict, schedule, prediction, xT, known, mask, self.num_steps)
        return to_frames(paste_known(painted, known, mask))
