"""Boxes of the faces in an image, from MediaPipe's full-range face detector (Bazarevsky et al., BlazeFace, 2019)."""

from typing import NamedTuple

import cv2
import numpy as np

from dd_tools.face.detectors.face_mesh import square_at
from dd_tools.formats.onnx_network import open_network

INPUT_SIZE = 192  # pixels, side of the network's square input
GRID = 48  # the network predicts one face for each cell of a grid of this side
MIN_CONFIDENCE = 0.6  # that of MediaPipe for this network
MAX_OVERLAP = 0.3  # boxes that overlap more are of the same face; intersection over union


class FoundFace(NamedTuple):
    """A face in an image, in its pixels; the image begins at 0.

    centre, size: (2,) of the box. right_eye, left_eye: (2,).
    """

    centre: np.ndarray
    size: np.ndarray
    right_eye: np.ndarray
    left_eye: np.ndarray

    def square(self, stretch: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """The face mesh's input square (2,3), in pixels of the frame that the image is a part of.

        stretch: (2,) size of a pixel of the image in frame pixels. origin: (2,) where the image begins in the frame.
        """
        eye_line = (self.left_eye - self.right_eye) * stretch
        return square_at(origin + self.centre * stretch - 0.5, self.size * stretch, eye_line)


class FaceFinder:
    """Finds faces that are upright and not small in relation to the image."""

    def __init__(self) -> None:
        self._network = open_network("face_detector")
        rows, columns = np.mgrid[:GRID, :GRID] + 0.5
        self._centres = np.stack([columns, rows], -1).reshape(-1, 2) * INPUT_SIZE / GRID

    def find(self, image: np.ndarray) -> list[FoundFace]:
        """The faces in uint8 (H,W,3) RGB, whose longer side is `INPUT_SIZE`. The most certain one is first."""
        height, width = image.shape[:2]
        border = np.array([INPUT_SIZE - width, INPUT_SIZE - height]) / 2
        shift = np.column_stack([np.eye(2), border])
        square = cv2.warpAffine(image, shift, (INPUT_SIZE, INPUT_SIZE), flags=cv2.INTER_LINEAR)
        predictions, scores = self._network.run(["boxes", "scores"], {"image": square[None]})
        likely = scores[0] >= MIN_CONFIDENCE
        boxes = _decode(predictions[0][likely], self._centres[likely]) - np.tile(border, 4)
        return [_found(box) for box in _merge(boxes, scores[0][likely])]


def _decode(predictions: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Corners and eyes (N,8): left, top, right, bottom, right eye, left eye, in pixels of the network's input.

    predictions: (N,16): centre, relative to that of the cell; size; then keypoints, of which the first two are the
    eyes. centres: (N,2) of the cells.
    """
    centre, size = centres + predictions[:, :2], predictions[:, 2:4]
    eyes = predictions[:, 4:8] + np.tile(centres, 2)
    return np.column_stack([centre - size / 2, centre + size / 2, eyes])


def _merge(boxes: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
    """Weighted non-maximum suppression: overlapping boxes become their mean, weighted by their scores."""
    merged, order = [], np.argsort(-scores, kind="stable")
    while len(order):
        same = _overlaps(boxes[order[0]], boxes[order]) > MAX_OVERLAP
        same[0] = True
        merged.append(np.average(boxes[order[same]], axis=0, weights=scores[order[same]]))
        order = order[~same]
    return merged


def _overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union (N,) of one box with others (N,≥4)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:4], boxes[:, 2:4])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = (boxes[:, 2:4] - boxes[:, :2]).prod(1)
    return shared / (areas + (box[2:4] - box[:2]).prod() - shared)


def _found(box: np.ndarray) -> FoundFace:
    left_top, right_bottom, right_eye, left_eye = box.reshape(4, 2)
    return FoundFace((left_top + right_bottom) / 2, right_bottom - left_top, right_eye, left_eye)
