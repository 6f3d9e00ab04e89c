"""The latents of this model: an appearance code, then the landmarks of chin and lips of the frontal face.

The last `LANDMARK_VALUES` of a latent are x and y of the `MOUTH_REGION` in the coordinates of a face that looks
straight ahead (`dd_tools.face.head_pose`): origin between the eyes, y down, unit one interocular distance. So motion
does not depend on how the head is turned; painting turns the landmarks with the head.

Landmarks are part of the latent because their detector was trained on far more faces than this model: painting follows
the lips even under a beard. The appearance code describes what landmarks do not, such as teeth.
"""

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.head_pose import fit_cameras, frontal, turned
from dd_tools.face.landmarks import (
    CHIN,
    LOWER_INNER_LIP,
    MOUTH_CORNERS,
    MOUTH_REGION,
    UPPER_INNER_LIP,
)
from dd_tools.face.landmarks import (
    REGION_VALUES as LANDMARK_VALUES,
)
from dd_tools.formats.clip import Clip
from dd_tools.nn.padding import masked_mean

CLOSED_FRACTION = 0.1  # of the latents, those with the smallest aperture, which show the closed mouth

_UPPER, _LOWER = ([MOUTH_REGION.index(point) for point in lip] for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))


def latent_aperture(latents: Tensor) -> Tensor:
    """Lip aperture (...) of latents (..., Z): the vertical distance between the inner lips, in interocular distances.

    It is negative where the detected lips overlap.
    """
    height = latents[..., -LANDMARK_VALUES + 1 :: 2]
    return (height[..., _LOWER] - height[..., _UPPER]).mean(-1)


def codes_of(latents: np.ndarray) -> np.ndarray:
    """The appearance codes (N, Z − 50) of latents (N, Z)."""
    return latents[:, :-LANDMARK_VALUES]


def end_in_landmarks(latents: np.ndarray) -> bool:
    """Whether latents (N, Z) end in the landmarks of a frontal face.

    On average, the corners of the mouth must lie on either side of the nose, and the chin below them.
    """
    if latents.shape[1] <= LANDMARK_VALUES:
        return False
    points = latents[:, -LANDMARK_VALUES:].mean(0).reshape(-1, 2)
    right, left, chin = (points[MOUTH_REGION.index(landmark)] for landmark in (*MOUTH_CORNERS, CHIN))
    return bool(-1 < right[0] < 0 < left[0] < 1 and max(right[1], left[1], 1) < chin[1] < 3)


def closed_mouth(latents: Tensor, valid: Tensor | None = None) -> Tensor:
    """The latent (B, Z) of the face with its mouth closed.

    It is the mean of the `CLOSED_FRACTION` of latents (B, N, Z) with the smallest aperture, at least one, among those
    that are `valid` (B, N).
    """
    aperture = latent_aperture(latents)
    if valid is None:
        valid = torch.ones_like(aperture, dtype=torch.bool)
    rank = torch.where(valid, aperture, torch.inf).argsort(1).argsort(1)
    return masked_mean(latents, rank < (CLOSED_FRACTION * valid.sum(1, True)).clamp(min=1))


class HeadCameras:
    """The head pose in every frame of a clip, which maps landmarks between crop and frontal coordinates.

    cameras (T, 2, 4): affine cameras from frontal coordinates to crop pixels; NaN for frames that are not usable.
    """

    def __init__(self, clip: Clip):
        self.size = clip.size
        self.cameras = np.full((clip.length, 2, 4), np.nan)
        usable = clip.usable
        self.cameras[usable] = fit_cameras(clip.landmarks[usable], clip.pts[usable], clip.shot[usable])

    def to_frontal(self, landmarks: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """`MOUTH_REGION` (N, 25, 2) from crop pixels of `frames` (N,) to frontal coordinates (N, 25, 2)."""
        return frontal(landmarks, self.cameras[frames])

    def to_crop(self, latents: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """The landmarks (N, 25, 2) of latents (N, Z), turned as the head in `frames` (N,), −1 to 1 across the crop."""
        points = latents[:, -LANDMARK_VALUES:].reshape(len(latents), len(MOUTH_REGION), 2)
        return relative_to_crop(turned(points, self.cameras[frames]), self.size)


def relative_to_crop(points: np.ndarray, size: int) -> np.ndarray:
    """Coordinates (..., 2) from pixels of a crop of side `size` to −1 … 1 across it."""
    return (2 * points + 1) / size - 1
