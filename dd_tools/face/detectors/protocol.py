"""The interface of landmark detectors."""

from typing import Protocol

import numpy as np


class Detector(Protocol):
    """Finds the 68 landmarks of faces in uint8 (H,W,3) RGB frames. It keeps no state between calls.

    name: the detector's name, one of `dd_tools.face.detectors.registry.DETECTORS`.
    version: version of the package that implements it.
    """

    name: str
    version: str

    def detect(self, frame: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """Detect all faces in a frame: float32 (N,68,2), x, y in pixels.

        thorough: also find small faces, which is slower.
        """

    def follow(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """Find the face that had `landmarks` (68,2) in the previous frame: float32 (68,2), or None if it is gone."""
