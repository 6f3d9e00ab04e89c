"""What of a clip the networks are shown: face images, points of chin and lips, and which frames are references."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.geometry import face_image
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.formats.clip import Clip
from dd_tools.renderer.images import to_images

# Of frames sorted from shut to open, which a renderer of several references sees: these shares of the way, and between.
SHUT, OPEN = 0.05, 0.95


def shown(clip: Clip, frames: Sequence[int], eyes: bool) -> tuple[Tensor, Tensor]:
    """Of usable `frames`: face images (N, 3, S, S) and `MOUTH_REGION` (N, 25, 2), both in [-1, 1].

    eyes: with the eyes' band in the face image (the eye guidance of section 2.1).
    """
    faces = np.stack([_face(clip, frame, eyes) for frame in frames])
    points = clip.landmarks[list(frames)][:, MOUTH_REGION]
    return to_images(faces), torch.from_numpy((2 * points + 1) / clip.size - 1).float()


def _face(clip: Clip, frame: int, eyes: bool) -> np.ndarray:
    if eyes:
        return clip.face[frame]
    return face_image(clip.frames[frame], clip.landmarks[frame], clip.face_size, eyes=False)


def reference_frames(apertures: np.ndarray, count: int) -> np.ndarray:
    """Indices (count,) into `apertures` (N,) of the frames to show: one is the first; several go from nearly the most
    shut mouth to nearly the most open one, so that both lips and teeth have been seen.
    """
    if count == 1 or len(apertures) == 1:
        return np.zeros(count, int)
    order = np.argsort(apertures, kind="stable")
    return order[np.rint(np.linspace(SHUT, OPEN, count) * (len(order) - 1)).astype(int)]
