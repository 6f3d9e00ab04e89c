"""Landmarks from the face mesh and the face detector that mediapipe's wheel carries: no download, about 5 ms a frame.

The mesh is asked directly (not through ``mp.solutions.face_mesh``): where to look is then our decision, so a face is
followed by its own last place, never exchanged for another one, and small faces in large pictures are cut out first.
"""

import contextlib
import math
import os
from collections.abc import Iterator

import cv2
import numpy as np

from dd_tools.face.landmarks import LEFT_EYE, RIGHT_EYE, extent
from dd_tools.face.warping import resample, square_map, transform

MESH_INPUT = 192  # pixels, side of the square the mesh looks at
DETECTOR_INPUT = 192  # pixels, side of the square the full-range detector looks at
CONFIDENCE = 0.5
MARGIN = 1.5  # side of the square around a face, in units of the face's longer side, as the mesh was trained with
FOREHEAD = 0.35  # the mesh's face reaches this far above the brows, in units of brow to chin
TILE_SHARES = (1.0, 0.5)  # tiles for small faces: their sides as shares of the picture's shorter side …
SMALLEST_TILE = 192  # … and no less pixels than the detector looks at: magnified, it sees faces that are none
SAME_FACE = 0.5  # two finds nearer than this share of a face's size are one face

# Mesh vertices whose mean is each iBUG landmark. On the jaw and the brows the usual one-vertex tables are off by up to
# 10 % of the face; these were chosen to agree with face-alignment's landmarks on broadcast footage.
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
    """`dd_tools.face.landmarks.Detector` on mediapipe's face mesh (with attention) and full-range face detector."""

    name = "mediapipe"

    def __init__(self) -> None:
        with _quiet_native_code():
            import mediapipe
            from google.protobuf import text_format
            from mediapipe.framework import calculator_pb2
            from mediapipe.framework.formats import rect_pb2
            from mediapipe.python.solution_base import SolutionBase
            from mediapipe.python.solutions.face_detection import FaceDetection

            self.version = mediapipe.__version__
            graph = text_format.Parse(_MESH_GRAPH, calculator_pb2.CalculatorGraphConfig())
            self._mesh = SolutionBase(graph_config=graph, side_inputs={"with_attention": True}, outputs=["landmarks"])
            self._whole = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)
            self._detector = FaceDetection(CONFIDENCE, model_selection=1)
            blank = np.zeros((MESH_INPUT, MESH_INPUT, 3), np.uint8)
            self._mesh.process({"image": blank, "roi": self._whole})  # the first run of a graph has things to say
            self._detector.process(blank)

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """See `Detector.detect`; largest face first."""
        whole = (0, 0, image.shape[1], image.shape[0])
        faces = self._look(image, [whole, *_tiles(*image.shape[:2])] if thorough else [whole])
        faces.sort(key=extent, reverse=True)
        return np.array(faces, np.float32).reshape(-1, 68, 2)

    def follow(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """See `Detector.follow`."""
        return self._place(image, _square_around(landmarks))

    def _look(self, image: np.ndarray, boxes: list[tuple[int, int, int, int]]) -> list[np.ndarray]:
        """Faces in any of the boxes (left, top, right, bottom), each once."""
        faces: list[np.ndarray] = []
        for box in boxes:
            for square in self._squares(image, box):
                rough = self._place(image, square)
                if rough is None or any(_is_same(rough, face) for face in faces):
                    continue
                # The detector's box is rough; the mesh's own gives its full precision.
                face = self._place(image, _square_around(rough))
                if face is not None:
                    faces.append(face)
        return faces

    def _squares(self, image: np.ndarray, box: tuple[int, int, int, int]) -> list[np.ndarray]:
        left, top, right, bottom = box
        scale = max(right - left, bottom - top) / DETECTOR_INPUT
        size = max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale))
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        found = self._detector.process(cv2.resize(image[top:bottom, left:right], size, interpolation=method))
        return [_square_of_detection(one.location_data, box) for one in found.detections or ()]

    def _place(self, image: np.ndarray, square: np.ndarray) -> np.ndarray | None:
        """Landmarks (68,2) of the face inside a `square` (2,3: affine map of the mesh's input to image pixels)."""
        seen = resample(image, square, (MESH_INPUT, MESH_INPUT), cv2.INTER_LINEAR)
        points = self._mesh.process({"image": seen, "roi": self._whole}).landmarks
        if points is None:
            return None
        vertices = np.array([(point.x, point.y) for point in points.landmark]) * MESH_INPUT - 0.5
        return transform(vertices[VERTICES].mean(1), square).astype(np.float32)


def _square_around(landmarks: np.ndarray) -> np.ndarray:
    """Where the mesh shall look for a face last seen at `landmarks`: upright in its own roll, centred, with margin."""
    across = landmarks[LEFT_EYE].mean(0) - landmarks[RIGHT_EYE].mean(0)
    axes = _axes(across)
    own = landmarks @ axes
    low, high = own.min(0), own.max(0)
    low[1] -= FOREHEAD * (high[1] - low[1])
    return square_map(axes @ (low + high) / 2, MARGIN * (high - low).max(), axes, MESH_INPUT)


def _square_of_detection(location, box: tuple[int, int, int, int]) -> np.ndarray:
    """The same from a mediapipe ``LocationData`` relative to `box`."""
    origin, size = np.float64(box[:2]), np.float64([box[2] - box[0], box[3] - box[1]])
    found = location.relative_bounding_box
    centre = origin + size * (found.xmin + found.width / 2, found.ymin + found.height / 2) - 0.5
    right_eye, left_eye = (size * (point.x, point.y) for point in location.relative_keypoints[:2])
    side = MARGIN * max(found.width * size[0], found.height * size[1])
    return square_map(centre, side, _axes(left_eye - right_eye), MESH_INPUT)


def _axes(across: np.ndarray) -> np.ndarray:
    """Unit vectors (2,2) along and across the line of the eyes, as columns."""
    x, y = across / max(np.hypot(*across), 1e-6)
    return np.array([[x, -y], [y, x]])


def _tiles(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Squares (left, top, right, bottom) that cover a picture, each size with half overlap, larger ones first."""
    boxes = []
    for share in TILE_SHARES:
        side = round(share * min(height, width))
        if side < SMALLEST_TILE:
            break
        lefts, tops = (np.linspace(0, total - side, 1 + math.ceil(2 * total / side - 2)) for total in (width, height))
        boxes += [(int(x), int(y), int(x) + side, int(y) + side) for y in tops for x in lefts]
    return boxes


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    distance = np.hypot(*(one.mean(0) - other.mean(0)))
    return distance < SAME_FACE * max(extent(one), extent(other))


@contextlib.contextmanager
def _quiet_native_code() -> Iterator[None]:
    """Send what C++ writes to standard error nowhere: mediapipe and TF-lite greet before their loggers can be told."""
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
