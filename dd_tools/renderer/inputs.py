"""What of a clip the networks are shown: face images, points of chin and lips, and which frames are references."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.geometry import face_image
from dd_tools.face.landmarks import MOUTH_REGION, lip_aperture
from dd_tools.face.turning import fit_cameras
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


def reference_frames(landmarks: np.ndarray, count: int) -> np.ndarray:
    """Indices (count,) into `landmarks` (N, 68, 2) of the frames to show: one is the first; of several the first two
    have nearly the most shut and nearly the most open mouth, so that both lips and teeth have been seen, and each of
    the others is the one whose mouth and chin lie farthest from all before, as heads turn.
    """
    if count == 1 or len(landmarks) == 1:
        return np.zeros(count, int)
    order = np.argsort(lip_aperture(landmarks), kind="stable")
    chosen = list(order[np.rint(np.array([SHUT, OPEN]) * (len(order) - 1)).astype(int)])
    lower = landmarks[:, MOUTH_REGION]
    from_middle = _distances(lower, np.median(lower, axis=0))
    likely = from_middle <= np.quantile(from_middle, OPEN)  # the farthest of all is often a mistake of the detector
    while len(chosen) < count:
        from_chosen = np.min([_distances(lower, lower[frame]) for frame in chosen], axis=0)
        chosen.append(np.where(likely, from_chosen, -1).argmax())
    return np.array(chosen)


def _distances(points: np.ndarray, from_these: np.ndarray) -> np.ndarray:
    """Mean distance (N,) of points (N, P, 2) from points (P, 2)."""
    return np.linalg.norm(points - from_these, axis=-1).mean(-1)
