"""Clips to latents, 25 per second."""

import numpy as np

from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.formats.clip import Clip
from dd_tools.nn.batches import Batches
from dd_tools.pipeline.interfaces import MotionModel, Renderer
from dd_tools.pipeline.timing import interpolation
from dd_tools.reporting import SILENT, Reporter


def encode_clip(renderer: Renderer, clip: Clip, *, batch_size: int = 32, report: Reporter = SILENT) -> np.ndarray:
    """Latents float32 (T, Z), 25 per second from time 0 to the last usable frame; one latent for a still image.

    Latents at times without a usable frame are interpolated linearly. Raises `DataError` if the clip does not fit
    the renderer or no frame is usable.
    """
    return encode_on_grid(renderer, clip, np.arange(grid_length(clip)), batch_size=batch_size, report=report)


def encode_references(
    renderer: Renderer, motion_model: MotionModel, clip: Clip, count: int, *, batch_size: int = 32
) -> np.ndarray:
    """Up to `count` reference latents float32 (N, Z): those that `motion_model` chooses among all latents of the clip.

    Only the frames that they need are encoded.
    """
    chosen = motion_model.choose_references(grid_length(clip), count)
    return encode_on_grid(renderer, clip, chosen, batch_size=batch_size)


def grid_length(clip: Clip) -> int:
    """Number of latents of a clip, 0 if no frame is usable."""
    return round(float(clip.pts[clip.usable[-1]]) * LATENT_RATE) + 1 if len(clip.usable) else 0


def encode_on_grid(
    renderer: Renderer, clip: Clip, indices: np.ndarray, *, batch_size: int = 32, report: Reporter = SILENT
) -> np.ndarray:
    """Latents float32 (N, Z) number `indices` (N,) of those 25 per second, interpolated between usable frames.

    Across a cut nothing is interpolated: a latent there is that of the nearer frame.
    """
    clip.check_usable(renderer.framing)
    encoder = renderer.encoder(clip)
    usable = clip.usable
    left, right, weight = interpolation(indices / LATENT_RATE, clip.pts[usable])
    weight = np.where(clip.shot[usable[left]] == clip.shot[usable[right]], weight, weight.round())
    left = np.where(weight < 1, left, right)  # so that no frame of weight zero is encoded
    right = np.where(weight > 0, right, left)
    needed, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    latents = np.empty((len(needed), renderer.z_size), np.float32)
    batches, starts = Batches(report), range(0, len(needed), batch_size)
    for start in report.progress(starts, len(starts), clip.path.name):
        batch = slice(start, min(start + batch_size, len(needed)))
        latents[batch] = batches.compute(lambda part: encoder(usable[needed[part]]), batch)
    before, after = np.split(latents[places], 2)
    weight = weight[:, None].astype(np.float32)
    return before * (1 - weight) + after * weight
