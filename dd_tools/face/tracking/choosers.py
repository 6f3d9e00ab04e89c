"""Rules that choose the speaker among the faces of a frame, see `dd_tools.face.tracking.speaker.Chooser`."""

import numpy as np

from dd_tools.face.landmarks import extent
from dd_tools.face.settings import CENTER, LARGEST, PROMINENT
from dd_tools.face.tracking.matching import MIN_FRAMES
from dd_tools.face.tracking.speaker import Chooser

MAX_POINT_DISTANCE = 0.75  # from a face's centre, in units of its size: includes hair and chin


def most_prominent(faces: np.ndarray, frame_size: tuple[int, int]) -> int:
    """Index of the largest and most central of `faces` (N,68,2) in a frame of `frame_size` (height, width)."""
    return int(np.argmax(extent(faces) * (1 - _offset(faces, frame_size))))


def largest(faces: np.ndarray, frame_size: tuple[int, int]) -> int:
    """Index of the largest face."""
    return int(np.argmax(extent(faces)))


def most_central(faces: np.ndarray, frame_size: tuple[int, int]) -> int:
    """Index of the face nearest to the frame's centre."""
    return int(np.argmin(_offset(faces, frame_size)))


def _offset(faces: np.ndarray, frame_size: tuple[int, int]) -> np.ndarray:
    """Distances (N,) of faces from the frame's centre, as shares of the frame's width and height."""
    height, width = frame_size
    return np.linalg.norm((faces.mean(1) + 0.5) / (width, height) - 0.5, axis=-1)


CHOOSERS: dict[str, Chooser] = {PROMINENT: most_prominent, LARGEST: largest, CENTER: most_central}


def at_point(x: float, y: float) -> Chooser:
    """The rule that chooses the face at a point of the frame, in pixels, or no face if there is none."""

    def choose(faces: np.ndarray, frame_size: tuple[int, int]) -> int | None:
        distances = np.linalg.norm(faces.mean(1) - (x, y), axis=-1) / extent(faces)
        return int(np.argmin(distances)) if distances.min() < MAX_POINT_DISTANCE else None

    return choose


def first_shot_only(landmarks: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Landmarks (T,68,2), with NaN outside the first shot in which the face is detected in `MIN_FRAMES` frames.

    If there is no such shot, that with the most detections counts. shots: (T,) number of each frame's shot.
    """
    detected = np.isfinite(landmarks[:, 0, 0])
    counts = np.bincount(shots[detected], minlength=1)
    first = np.argmax(counts >= min(MIN_FRAMES, counts.max()))
    return np.where((shots == first)[:, None, None], landmarks, np.float32(np.nan))
