"""What of a clip the networks are shown: face images, points of chin and lips, and how the head is turned."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.geometry import face_image
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.face.turning import fit_cameras
from dd_tools.formats.clip import Clip
from dd_tools.renderer.images import to_images


def shown(clip: Clip, frames: Sequence[int], eyes: bool) -> tuple[Tensor, Tensor]:
    """Of usable `frames`: face images (N, 3, S, S) and `MOUTH_REGION` (N, 25, 2), both in [-1, 1].

    eyes: with the eyes' band in the face image (the eye guidance of section 2.1).
    """
    faces = np.stack([_face(clip, frame, eyes) for frame in frames])
    points = clip.landmarks[list(frames)][:, MOUTH_REGION]
    return to_images(faces), torch.from_numpy(across(points, clip.size)).float()


def across(points: np.ndarray, size: int) -> np.ndarray:
    """Pixel coordinates in a crop of side `size`, as -1 to 1 across it."""
    return (2 * points + 1) / size - 1


def head_cameras(clip: Clip) -> np.ndarray:
    """How the head is turned in every frame: cameras (T, 2, 4) to crop pixels (`dd_tools.face.turning`), NaN where the
    frame is not usable.
    """
    cameras = np.full((clip.length, 2, 4), np.nan)
    cameras[clip.usable] = fit_cameras(clip.landmarks[clip.usable], clip.pts[clip.usable])
    return cameras


def _face(clip: Clip, frame: int, eyes: bool) -> np.ndarray:
    if eyes:
        return clip.face[frame]
    return face_image(clip.frames[frame], clip.landmarks[frame], clip.face_size, eyes=False)
