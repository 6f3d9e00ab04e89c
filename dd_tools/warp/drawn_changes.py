"""The random choices of stage 1's augmentation, which `dd_tools.warp.augmentation` applies: how often, and how much."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.training.chance import rows_where, uniform
from dd_tools.training.image_changes import gaussian_weights, shift_scale_rotate
from dd_tools.warp.alignment import HEAD_POINTS
from dd_tools.warp.lip_maps import OUTLINES

# Of a sample as a whole.
FLIP_PROBABILITY, LIPS_PROBABILITY, DEFORM_PROBABILITY = 0.5, 0.7, 0.5
COLOUR = 0.25  # largest relative change of brightness, contrast and saturation
TINT = 0.2  # largest relative change of each colour channel
LIP_BRIGHTNESS, LIP_COLOUR = 0.4, 0.25  # largest logarithm of the gain of lips, and of each of their colour channels
CODE_PROBABILITY = 0.6  # that the image's appearance code is only partly its own
DEFORM_POINTS, DEFORM_SHIFT = 4, 0.08  # control points per side, and their largest shift in half sides

# Of each reference.
REFERENCE_PROBABILITY = 0.5
REFERENCE_SHIFT, REFERENCE_SCALE, REFERENCE_ROTATION = 0.06, 0.05, math.radians(5)  # largest; the shift in half sides

# Of each face image.
FACE_COLOUR = 0.3  # as `COLOUR`
FACE_BLUR_PROBABILITY, FACE_AFFINE_PROBABILITY = 0.1, 0.5
FACE_BLUR, FACE_BLUR_RADIUS = (0.5, 1.5), 2  # standard deviation of the Gaussian, and where it is cut off, in pixels
FACE_SHIFT, FACE_SCALE, FACE_ROTATION = 0.04, 0.05, math.radians(4)  # largest; the shift in sides

# The landmark that each one becomes in a mirror image.
_MIRROR = dict(zip(range(6, 11), range(10, 5, -1), strict=True))
_MIRROR |= dict(zip([*range(27, 31), *range(31, 36)], [*range(27, 31), *range(35, 30, -1)], strict=True))
_MIRROR |= dict(zip(range(36, 42), [45, 44, 43, 42, 47, 46], strict=True))
_MIRROR |= dict(zip(range(42, 48), [39, 38, 37, 36, 41, 40], strict=True))
_MIRROR |= dict(zip([*range(48, 60)], [*range(54, 47, -1), *range(59, 54, -1)], strict=True))
_MIRROR |= dict(zip([*range(60, 68)], [*range(64, 59, -1), *range(67, 64, -1)], strict=True))
_POINTS = [*HEAD_POINTS, *MOUTH_REGION]  # the `alignment_points`
MIRRORED = [_POINTS.index(_MIRROR[point]) for point in _POINTS]
_SUBPIXEL_BITS = 4


def draw_changes(points: Tensor, size: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Random numbers for the augmentation of B samples, and their points, those of flipped samples mirrored.

    points (B, 1 + K, 46, 2): `alignment_points` of images and references. size: S.
    """
    count, images = points.shape[:2]
    flipped = rows_where(FLIP_PROBABILITY, count, generator)
    points = points.clone()
    points[flipped] = points[flipped][:, :, MIRRORED] * torch.tensor([-1.0, 1.0])
    return {
        "points": points,
        "flipped": flipped,
        "colours": uniform(1 - COLOUR, 1 + COLOUR, (count, 3), generator),
        "tints": uniform(1 - TINT, 1 + TINT, (count, 3), generator),
        **draw_lips(points, size, generator),
        "deformed": (deformed := rows_where(DEFORM_PROBABILITY, count, generator)),
        "shifts": uniform(-DEFORM_SHIFT, DEFORM_SHIFT, (len(deformed), 2, DEFORM_POINTS, DEFORM_POINTS), generator),
        **draw_moves(count * (images - 1), generator),
        **draw_face_changes(count * images, generator),
        "code_shares": draw_code_shares(count, generator),
    }


def draw_code_shares(count: int, generator: torch.Generator) -> Tensor:
    """Shares (count,), 0 to 1, of the image's own appearance code, 1 for some; the rest is that of its references.

    Codes that a motion model generates are less extreme than true ones. So the renderer learns to trust the landmarks.
    """
    shares = torch.ones(count)
    rows = rows_where(CODE_PROBABILITY, count, generator)
    shares[rows] = uniform(0, 1, (len(rows),), generator)
    return shares


def draw_lips(points: Tensor, size: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Samples whose lips change colour: their rows, the gains (n, 2, 3) of lips and teeth, and where these are.

    The areas, uint8 (n, 1 + K, 2, S, S), are those of the lips with all that they enclose, and of what they enclose.
    """
    rows = rows_where(LIPS_PROBABILITY, len(points), generator)
    brightness = uniform(-LIP_BRIGHTNESS, LIP_BRIGHTNESS, (len(rows), 2, 1), generator)
    colour = uniform(-LIP_COLOUR, LIP_COLOUR, (len(rows), 2, 3), generator)
    pixels = ((points[rows].numpy() + 1) * size / 2 - 0.5) * 2**_SUBPIXEL_BITS
    corners = np.rint(pixels).astype(np.int32)
    areas = np.zeros((*corners.shape[:2], 2, size, size), np.uint8)
    for place in np.ndindex(*corners.shape[:2]):
        for area, polygon in zip(areas[place], OUTLINES, strict=True):
            cv2.fillPoly(area, [corners[place][polygon]], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return {"lips": rows, "lip_gains": (brightness + colour).exp(), "lip_areas": torch.from_numpy(areas)}


def draw_moves(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Which of `count` references move, and the maps (n, 2, 3) from their pixels to where these come from."""
    rows = rows_where(REFERENCE_PROBABILITY, count, generator)
    scale = uniform(1 - REFERENCE_SCALE, 1 + REFERENCE_SCALE, (len(rows),), generator)
    angle = uniform(-REFERENCE_ROTATION, REFERENCE_ROTATION, (len(rows),), generator)
    shift = uniform(-REFERENCE_SHIFT, REFERENCE_SHIFT, (len(rows), 2), generator)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    maps = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    return {"moved": rows, "maps": maps}


def draw_face_changes(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """How `count` face images are recoloured, which are blurred, and which are moved."""
    blurred = rows_where(FACE_BLUR_PROBABILITY, count, generator)
    moved = rows_where(FACE_AFFINE_PROBABILITY, count, generator)
    return {
        "face_colours": uniform(1 - FACE_COLOUR, 1 + FACE_COLOUR, (count, 3), generator),
        "faces_blurred": blurred,
        "face_blurs": gaussian_weights(uniform(*FACE_BLUR, (len(blurred),), generator), FACE_BLUR_RADIUS),
        "faces_moved": moved,
        "face_maps": shift_scale_rotate(
            uniform(-FACE_SHIFT, FACE_SHIFT, (len(moved), 2), generator),
            uniform(1 - FACE_SCALE, 1 + FACE_SCALE, (len(moved),), generator),
            uniform(-FACE_ROTATION, FACE_ROTATION, (len(moved),), generator),
        ),
    }
