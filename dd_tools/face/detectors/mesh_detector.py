"""Landmarks from MediaPipe's face detector and face mesh, which ship with this package: no download, 5 ms per frame.

Both networks are called here rather than by MediaPipe's graphs, so that this module chooses their input: a face is
followed from its own last position and never swapped for another one, and small faces in large frames are cropped and
enlarged first.
"""

import math

import cv2
import numpy as np

from dd_tools.face.detectors.face_finder import INPUT_SIZE, FaceFinder
from dd_tools.face.detectors.face_mesh import FaceMesh, square_around
from dd_tools.face.landmarks import LANDMARK_COUNT, extent

TILE_SHARES = (1.0, 0.5)  # sides of the tiles searched for small faces, as shares of the frame's shorter side
MIN_TILE = 192  # pixels; enlarging smaller tiles to the detector's input gives false detections
MIN_DISTANCE = 0.5  # two detections closer than this, in units of the face's size, are the same face


class MeshDetector:
    """The `Detector` built on MediaPipe's face mesh (with attention) and its full-range face detector."""

    name = "mediapipe"
    version = "0.10.21"  # the release that the networks were taken from

    def __init__(self) -> None:
        self._finder, self._mesh = FaceFinder(), FaceMesh()

    def detect(self, frame: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """See `Detector.detect`. Faces are sorted by size, largest first; `thorough` also searches tiles."""
        whole = (0, 0, frame.shape[1], frame.shape[0])
        faces = self._detect_in(frame, [whole, *_tiles(*frame.shape[:2])] if thorough else [whole])
        faces.sort(key=extent, reverse=True)
        return np.array(faces, np.float32).reshape(-1, LANDMARK_COUNT, 2)

    def follow(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """See `Detector.follow`."""
        return self._mesh.fit(frame, square_around(landmarks))

    def _detect_in(self, frame: np.ndarray, boxes: list[tuple[int, int, int, int]]) -> list[np.ndarray]:
        """Faces in any of the boxes (left, top, right, bottom), without duplicates."""
        faces: list[np.ndarray] = []
        for box in boxes:
            for square in self._detected_squares(frame, box):
                rough = self._mesh.fit(frame, square)
                if rough is None or any(_is_same(rough, face) for face in faces):
                    continue
                # The detector's square is inaccurate; the mesh is precise in a square around its own landmarks.
                face = self._mesh.fit(frame, square_around(rough))
                if face is not None:
                    faces.append(face)
        return faces

    def _detected_squares(self, frame: np.ndarray, box: tuple[int, int, int, int]) -> list[np.ndarray]:
        left, top, right, bottom = box
        scale = max(right - left, bottom - top) / INPUT_SIZE
        size = max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale))
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        small = cv2.resize(frame[top:bottom, left:right], size, interpolation=method)
        stretch = np.float64([right - left, bottom - top]) / size
        return [face.square(stretch, np.float64([left, top])) for face in self._finder.find(small)]


def _tiles(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Squares (left, top, right, bottom) that cover a frame, overlapping by half, larger ones first."""
    boxes = []
    for share in TILE_SHARES:
        side = round(share * min(height, width))
        if side < MIN_TILE:
            break
        lefts, tops = (np.linspace(0, total - side, 1 + math.ceil(2 * total / side - 2)) for total in (width, height))
        boxes += [(int(x), int(y), int(x) + side, int(y) + side) for y in tops for x in lefts]
    return boxes


def _is_same(face: np.ndarray, other: np.ndarray) -> bool:
    distance = np.hypot(*(face.mean(0) - other.mean(0)))
    return distance < MIN_DISTANCE * max(extent(face), extent(other))
