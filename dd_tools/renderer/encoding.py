"""Clip to latents: the semantic encoder over usable frames."""

from collections.abc import Callable, Iterable

import numpy as np
import torch

from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.face.turning import frontal
from dd_tools.formats.arrays import LATENT_RATE, evenly_spaced
from dd_tools.formats.clip import Clip
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.inputs import head_cameras, shown
from dd_tools.renderer.timing import latents_on_grid


@torch.inference_mode()
def encode_frames(
    renderer: Renderer,
    clip: Clip,
    frames: np.ndarray,
    *,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> np.ndarray:
    """Latents (N, Z) float32 of the usable `frames` (N,) of a clip."""
    renderer = renderer.to(device).eval()
    cameras = head_cameras(clip) if renderer.config.z_points else None
    latents = np.empty((len(frames), renderer.config.z_size), np.float32)
    for start in progress(range(0, len(frames), batch_size)):
        part = slice(start, start + batch_size)
        faces, _ = shown(clip, frames[part], renderer.config.eyes)
        points = None
        if cameras is not None:
            placed = frontal(clip.landmarks[frames[part]][:, MOUTH_REGION], cameras[frames[part]])
            points = torch.from_numpy(placed).float().to(device)
        latents[part] = renderer.encode(faces.to(device), points).cpu().numpy()
    return latents


def encode_clip(renderer: Renderer, clip: Clip, **options) -> np.ndarray:
    """Latents (T, Z) float32, 25 a second from time 0 to the last usable frame; one latent for a still picture.

    Frames without a face are bridged by interpolation between their neighbours. options: of `encode_frames`. Raises
    `DataError` if no frame is usable or the clip does not fit the renderer.
    """
    renderer.config.check_fits(clip)
    return latents_on_grid(encode_frames(renderer, clip, clip.usable, **options), clip.pts[clip.usable])


def encode_references(renderer: Renderer, clip: Clip, count: int, *, anywhere: bool, **options) -> np.ndarray:
    """Up to `count` latents (N, Z) of a clip, to show the motion model: of usable frames from all over the clip, if
    they may be from `anywhere`, else those from the first usable frame on, 25 a second; as `encode_clip`.
    """
    renderer.config.check_fits(clip)
    if anywhere:
        return encode_frames(renderer, clip, evenly_spaced(clip.usable, count), **options)
    times = clip.pts[clip.usable] - clip.pts[clip.usable[0]]
    needed = int(np.searchsorted(times, (count - 1) / LATENT_RATE)) + 1
    latents = encode_frames(renderer, clip, clip.usable[:needed], **options)
    return latents_on_grid(latents, times[:needed])[:count]
