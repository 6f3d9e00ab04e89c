"""Landmarks from the face detector and the face mesh in mediapipe's wheel: no download, about 5 ms per frame.

The mesh is run directly rather than through ``mp.solutions.face_mesh``, so that this module chooses its input: a face
is followed from its own last position and never swapped for another one, and small faces in large frames are cropped
and enlarged first.
"""

import contextlib
import math
import os
from collections.abc import Iterator

import cv2
import numpy as np

from dd_tools.face.affine import resample, square_map, transform
from dd_tools.face.landmarks import LANDMARK_COUNT, LEFT_EYE, RIGHT_EYE, extent

MESH_INPUT = 192  # pixels, side of the mesh's square input
DETECTOR_INPUT = 192  # pixels, side of the full-range detector's square input
MIN_CONFIDENCE = 0.5
MARGIN = 1.5  # side of the mesh's input in units of the face's longer side, as in the mesh's training
FOREHEAD = 0.35  # height of the forehead above the brows, in units of the distance from brows to chin
TILE_SHARES = (1.0, 0.5)  # sides of the tiles searched for small faces, as shares of the frame's shorter side
MIN_TILE = 192  # pixels; enlarging smaller tiles to the detector's input gives false detections
MIN_DISTANCE = 0.5  # two detections closer than this, in units of the face's size, are the same face

# The mesh vertices whose mean gives each iBUG landmark. On jaw and brows the usual tables with one vertex per landmark
# are off by up to 10 % of the face's width; these were chosen to agree with face-alignment on broadcast footage.
_JAW = [(127,), (93, 234), (93, 132), (58, 132), (172,), (136,), (149, 150), (176,), (152,)]
_JAW += [(400,), (378, 379), (365,), (397,), (288, 361), (323, 361), (323, 454), (356,)]
_BROWS = [(70,), (63,), (105,), (66,), (55, 66), (285, 296), (296,), (334,), (293,), (300,)]
_NOSE = [(6, 168), (195, 197), (5,), (4,), (75,), (97,), (2,), (326,), (305,)]
_EYES = [(33,), (160,), (158,), (133, 173), (153,), (144,), (362, 398), (385,), (387,), (263,), (373,), (380,)]
_OUTER_LIPS = [(61,), (39, 40), (37,), (0,), (267,), (269, 270), (291,), (321, 405), (314,), (17,), (84,), (91, 181)]
_INNER_LIPS = [(61, 78), (82,), (13,), (312,), (291, 308), (317,), (14,), (87,)]
VERTICES = [(names[0], names[-1]) for names in _JAW + _BROWS + _NOSE + _EYES + _OUTER_LIPS + _INNER_LIPS]

_MESH_GRAPH = """
input_stream: "image"  input_stream: "roi"  input_side_packet: "with_attention"  output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"  input_stream: "ROI:roi"  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


class MeshDetector:
    """The `Detector` built on mediapipe's face mesh (with attention) and its full-range face detector."""

    name = "mediapipe"

    def __init__(self) -> None:
        with _native_output_silenced():
            import mediapipe
            from google.protobuf import text_format
            from mediapipe.framework import calculator_pb2
            from mediapipe.framework.formats import rect_pb2
            from mediapipe.python.solution_base import SolutionBase
            from mediapipe.python.solutions.face_detection import FaceDetection

            self.version = mediapipe.__version__
            graph = text_format.Parse(_MESH_GRAPH, calculator_pb2.CalculatorGraphConfig())
            self._mesh = SolutionBase(graph_config=graph, side_inputs={"with_attention": True}, outputs=["landmarks"])
            self._whole_input = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)
            self._detector = FaceDetection(MIN_CONFIDENCE, model_selection=1)
            blank = np.zeros((MESH_INPUT, MESH_INPUT, 3), np.uint8)
            self._mesh.process({"image": blank, "roi": self._whole_input})  # a graph's first run prints messages
            self._detector.process(blank)

    def detect(self, frame: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """See `Detector.detect`. Faces are sorted by size, largest first; `thorough` also searches tiles."""
        whole = (0, 0, frame.shape[1], frame.shape[0])
        faces = self._detect_in(frame, [whole, *_tiles(*frame.shape[:2])] if thorough else [whole])
        faces.sort(key=extent, reverse=True)
        return np.array(faces, np.float32).reshape(-1, LANDMARK_COUNT, 2)

    def follow(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """See `Detector.follow`."""
        return self._fit_mesh(frame, _square_around(landmarks))

    def _detect_in(self, frame: np.ndarray, boxes: list[tuple[int, int, int, int]]) -> list[np.ndarray]:
        """Faces in any of the boxes (left, top, right, bottom), without duplicates."""
        faces: list[np.ndarray] = []
        for box in boxes:
            for square in self._detected_squares(frame, box):
                rough = self._fit_mesh(frame, square)
                if rough is None or any(_is_same(rough, face) for face in faces):
                    continue
                # The detector's square is inaccurate; the mesh is precise in a square around its own landmarks.
                face = self._fit_mesh(frame, _square_around(rough))
                if face is not None:
                    faces.append(face)
        return faces

    def _detected_squares(self, frame: np.ndarray, box: tuple[int, int, int, int]) -> list[np.ndarray]:
        left, top, right, bottom = box
        scale = max(right - left, bottom - top) / DETECTOR_INPUT
        size = max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale))
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        result = self._detector.process(cv2.resize(frame[top:bottom, left:right], size, interpolation=method))
        return [_square_of_detection(detection.location_data, box) for detection in result.detections or ()]

    def _fit_mesh(self, frame: np.ndarray, square: np.ndarray) -> np.ndarray | None:
        """Landmarks (68,2) of the face in `square`, the affine map (2,3) from the mesh's input to frame pixels."""
        crop = resample(frame, square, (MESH_INPUT, MESH_INPUT), cv2.INTER_LINEAR)
        points = self._mesh.process({"image": crop, "roi": self._whole_input}).landmarks
        if points is None:
            return None
        vertices = np.array([(point.x, point.y) for point in points.landmark]) * MESH_INPUT - 0.5
        return transform(vertices[VERTICES].mean(1), square).astype(np.float32)


def _square_around(landmarks: np.ndarray) -> np.ndarray:
    """The mesh's input square (2,3) for a face with these landmarks: centred, with a margin, rotated with the face."""
    axes = _axes(landmarks[LEFT_EYE].mean(0) - landmarks[RIGHT_EYE].mean(0))
    rotated = landmarks @ axes
    low, high = rotated.min(0), rotated.max(0)
    low[1] -= FOREHEAD * (high[1] - low[1])
    return square_map(axes @ (low + high) / 2, MARGIN * (high - low).max(), axes, MESH_INPUT)


def _square_of_detection(location, box: tuple[int, int, int, int]) -> np.ndarray:
    """The mesh's input square (2,3) for a mediapipe ``LocationData`` relative to `box`."""
    origin, size = np.float64(box[:2]), np.float64([box[2] - box[0], box[3] - box[1]])
    found = location.relative_bounding_box
    centre = origin + size * (found.xmin + found.width / 2, found.ymin + found.height / 2) - 0.5
    right_eye, left_eye = (size * (point.x, point.y) for point in location.relative_keypoints[:2])
    side = MARGIN * max(found.width * size[0], found.height * size[1])
    return square_map(centre, side, _axes(left_eye - right_eye), MESH_INPUT)


def _axes(eye_line: np.ndarray) -> np.ndarray:
    """Unit vectors (2,2) along the line between the eyes and perpendicular to it, as columns."""
    x, y = eye_line / max(np.hypot(*eye_line), 1e-6)
    return np.array([[x, -y], [y, x]])


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


@contextlib.contextmanager
def _native_output_silenced() -> Iterator[None]:
    """Discard what C++ code writes to standard error: mediapipe and TF Lite print before their loggers can be set."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
