"""Clip and latents to painted crops: DDIM over batches of frames, known pixels composited exactly."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dd_tools.errors import DataError, UsageError
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.face.turning import turned
from dd_tools.formats.clip import Clip
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.diffusion import NUM_TIMESTEPS, ddim_sample, paste_known
from dd_tools.renderer.encoding import encode_frames
from dd_tools.renderer.images import to_frames, to_images, to_masks
from dd_tools.renderer.inputs import across, head_cameras
from dd_tools.renderer.references import References
from dd_tools.renderer.timing import Timeline, latents_at


@dataclass(frozen=True)
class Painted:
    """One output frame: index of the clip's frame behind it, its time in seconds, crop uint8 (S, S, 3), the same before
    it was painted, mask uint8 (S, S), and how much of the painting is to show (0 to 1).
    """

    index: int
    pts: float
    crop: np.ndarray
    known: np.ndarray
    mask: np.ndarray
    share: float


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
        self.cameras = head_cameras(clip) if renderer.config.z_points else None
        self.references = References(clip, renderer.config.references)
        if renderer.config.compared:
            latents = encode_frames(renderer, clip, self.references.frames, device=device)
            self.z_references = self._in_crop(latents, self.references.frames)

    def _in_crop(self, latents: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Latents (N, Z) with their points, if any, not in frontal coordinates but where `frames` (N,) show them: in
        the crop, in [-1, 1].
        """
        if not self.renderer.config.z_points:
            return latents
        seen, points = np.split(latents, [self.renderer.config.seen_size], axis=1)
        placed = turned(points.reshape(len(points), len(MOUTH_REGION), 2), self.cameras[frames])
        return np.concatenate([seen, across(placed, self.clip.size).reshape(points.shape)], axis=1, dtype=np.float32)

    def paint(self, latents: np.ndarray, when: Timeline, part: slice = slice(None)) -> Iterator[Painted]:
        """Paint the lower face that `latents` (T, Z) say into the output frames `part` of `when`, in order."""
        if latents.shape[1] != self.renderer.config.z_size:
            raise DataError(f"latents have {latents.shape[1]} values, the renderer takes {self.renderer.config.z_size}")
        first, stop, _ = part.indices(len(when))
        for start in range(first, stop, self.batch_size):
            batch = slice(start, min(start + self.batch_size, stop))
            yield from self._paint_batch(when.part(batch), *self._plan(latents, when, batch))

    def _plan(self, latents: np.ndarray, when: Timeline, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Latents (N, Z) of the output frames `part`, with their points in the crop, and their references (N, K)."""
        around = self.references.around(when, part)
        near, inside = when.part(around), slice(part.start - around.start, part.stop - around.start)
        motion = self._in_crop(latents_at(latents, near.pts), near.frames)
        config = self.renderer.config
        mouths = motion[:, config.seen_size :].reshape(len(motion), -1, 2) if config.z_points else None
        return motion[inside], self.references.suiting(near, mouths)[inside]

    def _paint_batch(self, when: Timeline, motion: np.ndarray, references: np.ndarray) -> Iterator[Painted]:
        known = np.stack([self.clip.frames[index] for index in when.frames])
        masks = np.stack([self.clip.mask[index] for index in when.frames])
        crops, shown = known.copy(), when.share > 0
        if shown.any():
            crops[shown] = self._sample(known[shown], masks[shown], motion[shown], references[shown])
        rows = zip(when.frames, when.pts, crops, known, masks, when.share, strict=True)
        for index, pts, crop, before, mask, share in rows:
            yield Painted(int(index), float(pts), crop, before, mask, float(share))

    def _condition(self, motion: np.ndarray, references: np.ndarray) -> Tensor:
        """What the U-Net is told (N, `condition_size`) of latents (N, Z) beside those of references (N, K)."""
        z = motion[:, None]
        if self.renderer.config.compared:
            z = np.concatenate([z, self.z_references[references]], axis=1)
        return self.renderer.condition(torch.from_numpy(z).to(self.device))

    @torch.inference_mode()
    def _sample(self, crops: np.ndarray, masks: np.ndarray, motion: np.ndarray, references: np.ndarray) -> np.ndarray:
        known, mask = to_images(crops).to(self.device), to_masks(masks).to(self.device)
        images = to_images(self.references.images[references].reshape(-1, *crops.shape[1:])).to(self.device)
        reference, z = images.unflatten(0, references.shape).flatten(1, 2), self._condition(motion, references)

        def predict(x: Tensor, t: Tensor) -> Tensor:
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                return self.renderer(x, reference, t, z).float()

        xT = self.xT.expand_as(known)
        schedule, prediction = self.renderer.schedule, self.renderer.config.prediction
        painted = ddim_sample(predict, schedule, prediction, xT, known, mask, self.num_steps)
        return to_frames(paste_known(painted, known, mask))
