"""Lips and chin in latents with z_points: how far they are apart, and what a face with its mouth shut looks like."""

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.landmarks import CHIN, LOWER_INNER_LIP, MOUTH_CORNERS, MOUTH_REGION, REGION_VALUES, UPPER_INNER_LIP
from dd_tools.motion.padding import mean_over

RESTING = 0.1  # the share of references that tell what the shut mouth looks like

_UPPER, _LOWER = ([MOUTH_REGION.index(point) for point in lip] for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))


def lip_opening(latents: Tensor) -> Tensor:
    """How far the inner rims of the lips are apart (...), interocular distances, below 0 where they overlap; of latents
    (..., Z) with z_points.
    """
    height = latents[..., -REGION_VALUES + 1 :: 2]
    return (height[..., _LOWER] - height[..., _UPPER]).mean(-1)


def end_in_lips(latents: np.ndarray) -> bool:
    """Whether latents (N, Z) are of a renderer with z_points: the corners of the mouth on either side of the nose, on
    the whole, and the chin below, about where they are in frontal faces.
    """
    if latents.shape[1] <= REGION_VALUES:
        return False
    points = latents[:, -REGION_VALUES:].mean(0).reshape(-1, 2)
    right, left, chin = (points[MOUTH_REGION.index(landmark)] for landmark in (*MOUTH_CORNERS, CHIN))
    return bool(-1 < right[0] < 0 < left[0] < 1 and max(right[1], left[1], 1) < chin[1] < 3)


def at_rest(latents: Tensor, valid: Tensor | None = None) -> Tensor:
    """The face with its mouth shut, (B, Z): the mean of the `RESTING` share of latents (B, N, Z) whose lips are
    closest, at least one, among the valid (B, N).
    """
    opening = lip_opening(latents)
    if valid is None:
        valid = torch.ones_like(opening, dtype=torch.bool)
    rank = torch.where(valid, opening, torch.inf).argsort(1).argsort(1)
    return mean_over(latents, rank < (RESTING * valid.sum(1, True)).clamp(min=1))
