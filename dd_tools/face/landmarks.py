"""The 68 facial landmarks (iBUG order) and the detectors that find them, behind one function: `open_detector`.

Coordinates are pixels as x, y with the centre of the first pixel at (0, 0); "right" and "left" are the person's own.
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Protocol

import numpy as np

from dd_tools.errors import DataError, UsageError

COUNT = 68
JAW = slice(0, 17)
INNER_BROW = 21
NOSE_BRIDGE = slice(27, 31)
NOSE_TIP = 30
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (36, 39), (42, 45)
CHIN = 8
MOUTH = slice(48, 68)
MOUTH_CORNERS = 48, 54
OUTER_LIPS, INNER_LIPS = slice(48, 60), slice(60, 68)
MOUTH_REGION = (*range(6, 11), *range(48, 68))  # chin and lips
REGION_VALUES = 2 * len(MOUTH_REGION)  # x and y of each
UPPER_INNER_LIP, LOWER_INNER_LIP = (61, 62, 63), (67, 66, 65)  # opposite points

AUTO, MEDIAPIPE, FACE_ALIGNMENT = DETECTORS = ("auto", "mediapipe", "face-alignment")


class Detector(Protocol):
    """A finder of faces in uint8 (H,W,3) RGB images; it keeps nothing from one call to the next."""

    name: str
    version: str

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """All faces in a picture, float32 (N,68,2); a look that is not `thorough` may miss small ones."""

    def follow(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """The face that was at `landmarks` (68,2) a moment ago: float32 (68,2), or None where it is gone."""


def open_detector(name: str = AUTO, *, say: Callable[[str], None] = lambda message: None) -> Detector:
    """Load the detector `name` of `DETECTORS`; "auto" is mediapipe where it is installed, else face-alignment.

    `say` is told when weights have to be downloaded first. Raises `UsageError` for other names, `DataError` where the
    detector is not installed or its weights cannot be had.
    """
    if name not in DETECTORS:
        raise UsageError(f"unknown detector '{name}', expected {', '.join(DETECTORS)}")
    if name == AUTO:
        name = MEDIAPIPE if find_spec("mediapipe") else FACE_ALIGNMENT
    if name == FACE_ALIGNMENT:
        from dd_tools.face.alignment_network import AlignmentNetworkDetector

        return AlignmentNetworkDetector(say)
    if not find_spec("mediapipe"):
        python = ".".join(map(str, sys.version_info[:2]))
        raise DataError(
            f"detector 'mediapipe' is not installed (its wheels end at Python 3.12, this is {python}): "
            "use --detector face-alignment"
        )
    from dd_tools.face.mediapipe_mesh import MeshDetector

    return MeshDetector()


def lip_aperture(landmarks: np.ndarray) -> np.ndarray:
    """Mean distance between the inner rims of the lips (...), in the units of landmarks (...,68,2)."""
    gap = landmarks[..., LOWER_INNER_LIP, :] - landmarks[..., UPPER_INNER_LIP, :]
    return np.linalg.norm(gap, axis=-1).mean(-1)


def extent(landmarks: np.ndarray) -> np.ndarray:
    """Size in pixels of landmarks (..., 68, 2): the longer side of the bounding box."""
    return np.ptp(landmarks, axis=-2).max(-1)
