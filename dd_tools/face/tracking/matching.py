"""Whether two detections are the same face: compared by position and size."""

import numpy as np

from dd_tools.face.landmarks import extent

MAX_STEP = 0.5  # largest move between consecutive frames, in units of the face's size
MAX_GAP_MOVE = 1.0  # largest move while the face was not detected, in the same units
MAX_SCALE_CHANGE = 2.0  # largest ratio of the two sizes

MIN_FRAMES = 5  # a face detected in fewer frames is treated as a false detection


def is_same_face(face: np.ndarray, previous: np.ndarray, max_move: float) -> bool:
    """Whether landmarks `face` (68,2) can be the face last detected at `previous` (68,2), by position and size.

    max_move: the largest move of the centre, in units of the previous size.
    """
    ratio = extent(face) / extent(previous)
    is_near = centre_distance(face, previous) < max_move * extent(previous)
    return bool(is_near and 1 / MAX_SCALE_CHANGE < ratio < MAX_SCALE_CHANGE)


def nearest_match(faces: np.ndarray, previous: np.ndarray) -> np.ndarray | None:
    """Of `faces` (N,68,2), the one nearest to `previous` (68,2) that can be the same face after a gap, or None."""
    candidates = [face for face in faces if is_same_face(face, previous, MAX_GAP_MOVE)]
    return min(candidates, key=lambda face: centre_distance(face, previous), default=None)


def centre_distance(face: np.ndarray, other: np.ndarray) -> float:
    """Distance in pixels between the mean points of two faces (68,2)."""
    return float(np.hypot(*(face.mean(0) - other.mean(0))))
