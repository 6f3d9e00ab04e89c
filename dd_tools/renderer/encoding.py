"""Clip to latents: the semantic encoder over every usable frame."""

from collections.abc import Callable, Iterable

import numpy as np
import torch

from dd_tools.formats.clip import Clip
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.images import to_images
from dd_tools.renderer.timing import latents_on_grid
from dd_tools.renderer.training import face_of


@torch.inference_mode()
def encode_clip(
    renderer: Renderer,
    clip: Clip,
    *,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> np.ndarray:
    """Latents (T, Z) float32, 25 a second from time 0 to the last usable frame; one latent for a still picture.

    Frames without a face are bridged by interpolation between their neighbours. Raises `DataError` if no frame is
    usable or the clip does not fit the renderer.
    """
    renderer.config.check_fits(clip)
    frames = clip.usable
    renderer = renderer.to(device).eval()
    latents = []
    for start in progress(range(0, len(frames), batch_size)):
        faces = np.stack([face_of(clip, frame, renderer.config.eyes) for frame in frames[start : start + batch_size]])
        latents.append(renderer.encode(to_images(faces).to(device)).cpu().numpy())
    return latents_on_grid(np.concatenate(latents), clip.pts[frames])
