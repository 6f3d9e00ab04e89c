"""The 68 facial landmarks in iBUG order: their indices, and measurements on them.

Coordinates are x, y in pixels; the centre of the first pixel is (0, 0). "Right" and "left" are the person's own.
"""

import numpy as np

LANDMARK_COUNT = 68
JAW = slice(0, 17)
INNER_BROW = 21
NOSE_TIP = 30
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (36, 39), (42, 45)
CHIN = 8
MOUTH = slice(48, 68)
MOUTH_CORNERS = 48, 54
OUTER_LIPS, INNER_LIPS = slice(48, 60), slice(60, 68)
MOUTH_REGION = (*range(6, 11), *range(48, 68))  # chin and lips
REGION_VALUES = 2 * len(MOUTH_REGION)  # number of coordinates, x and y of each landmark
UPPER_INNER_LIP, LOWER_INNER_LIP = (61, 62, 63), (67, 66, 65)  # opposite points


def lip_aperture(landmarks: np.ndarray) -> np.ndarray:
    """Mean distance (...) of upper and lower inner lip, in the units of landmarks (...,68,2)."""
    gap = landmarks[..., LOWER_INNER_LIP, :] - landmarks[..., UPPER_INNER_LIP, :]
    return np.linalg.norm(gap, axis=-1).mean(-1)


def extent(landmarks: np.ndarray) -> np.ndarray:
    """Face size (...) in pixels: the longer side of the bounding box of landmarks (...,68,2)."""
    return np.ptp(landmarks, axis=-2).max(-1)
