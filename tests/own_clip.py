"""A clip of the project's own: the astronaut's portrait with a mouth that opens and closes, drawn by image warping."""

from pathlib import Path

import cv2
import numpy as np
import skimage
from factories import dummy_lossless_video

from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.landmarks import INNER_LIPS, LEFT_EYE, MOUTH, RIGHT_EYE
from dd_tools.face.preparation import prepare_clip
from dd_tools.face.settings import PrepSettings

CAVITY = (45, 20, 22)  # colour inside the mouth
LOWER_INNER, LOWER_OUTER, JAW = (65, 66, 67), (55, 56, 57, 58, 59), range(5, 12)
SWAY = 3.0  # pixels that the head moves from side to side


def apertures(frames: int) -> np.ndarray:
    """How far the jaw drops (T,), in interocular distances: three syllables a second, louder and softer."""
    time = np.arange(frames) / 25
    return 0.14 * (1 - np.cos(2 * np.pi * 3 * time)) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time))


def write_own_clip(folder: Path, frames: int = 50) -> Path:
    """Write ``own.h5`` to `folder`: `frames` frames of 240 × 240 pixels, 25 per second, with exact landmarks."""
    portrait = np.ascontiguousarray(skimage.data.astronaut()[:240, 110:350])
    (landmarks,) = open_detector().detect(portrait)
    drawn = [speak(portrait, landmarks, a, index) for index, a in enumerate(apertures(frames))]
    video, points = folder / "own.mp4", folder / "landmarks.npy"
    dummy_lossless_video(video, [image for image, _ in drawn])
    np.save(points, np.stack([face for _, face in drawn]))
    prepare_clip(video, folder / "own.h5", PrepSettings(), detector=None, landmarks_path=points)
    return folder / "own.h5"


def speak(portrait: np.ndarray, landmarks: np.ndarray, aperture: float, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The portrait and its landmarks with the jaw dropped by `aperture`, at its place in frame `index`."""
    unit = np.linalg.norm(landmarks[LEFT_EYE].mean(0) - landmarks[RIGHT_EYE].mean(0))
    seam = landmarks[INNER_LIPS].mean(0)
    half = np.ptp(landmarks[MOUTH, 0]) / 2

    def drop(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How far what was at (x, y) moves down: most under the mouth, nothing beside the face and above the lips."""
        across = np.clip(1 - ((x - seam[0]) / (1.6 * half)) ** 2, 0, 1)
        fades = np.clip(2.2 - (y - seam[1]) / unit, 0, 1)
        return aperture * unit * across * fades

    rows, columns = np.indices(portrait.shape[:2], np.float32)
    below = rows - drop(columns, rows)
    image = cv2.remap(
        portrait, columns, np.where(below > seam[1], below, rows).astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    inside = (rows > seam[1]) & (below <= seam[1]) & (np.abs(columns - seam[0]) < 0.8 * half)
    image[inside] = CAVITY
    moved = landmarks.copy()
    lower = [*LOWER_INNER, *LOWER_OUTER, *JAW]
    moved[lower, 1] += drop(moved[lower, 0], moved[lower, 1])
    shift = np.array([SWAY * np.sin(index / 9), 0.0])
    matrix = np.column_stack([np.eye(2), shift])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), moved + shift
