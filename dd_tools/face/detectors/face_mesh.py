"""The 68 landmarks of one face, from MediaPipe's face mesh with attention (Grishchenko et al., 2020)."""

import cv2
import numpy as np

from dd_tools.face.affine import resample, square_map, transform
from dd_tools.face.landmarks import LEFT_EYE, RIGHT_EYE
from dd_tools.formats.onnx_network import open_network

INPUT_SIZE = 192  # pixels, side of the network's square input
MIN_CONFIDENCE = 0.5
MARGIN = 1.5  # side of the input in units of the face's longer side, as in the network's training
FOREHEAD = 0.35  # height of the forehead above the brows, in units of the distance from brows to chin

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


class FaceMesh:
    """Places the landmarks of a face whose rough position is known."""

    def __init__(self) -> None:
        self._network = open_network("face_mesh")

    def fit(self, frame: np.ndarray, square: np.ndarray) -> np.ndarray | None:
        """Landmarks float32 (68,2), in frame pixels, of the face in a square of the frame; None if there is none.

        square: affine map (2,3) from the network's input to frame pixels, as `square_around` and `square_at` return it.
        """
        crop = resample(frame, square, (INPUT_SIZE, INPUT_SIZE), cv2.INTER_LINEAR)
        vertices, scores = self._network.run(["vertices", "score"], {"image": crop[None]})
        if scores[0] < MIN_CONFIDENCE:
            return None
        # In the network's coordinates the first pixel begins at 0; here its centre is at 0.
        landmarks = vertices[0].astype(np.float64)[VERTICES].mean(1) - 0.5
        return transform(landmarks, square).astype(np.float32)


def square_around(landmarks: np.ndarray) -> np.ndarray:
    """The network's input square (2,3) for a face with these landmarks (68,2), turned with the face."""
    axes = _axes(landmarks[LEFT_EYE].mean(0) - landmarks[RIGHT_EYE].mean(0))
    rotated = landmarks @ axes
    low, high = rotated.min(0), rotated.max(0)
    low[1] -= FOREHEAD * (high[1] - low[1])
    return square_map(axes @ (low + high) / 2, MARGIN * (high - low).max(), axes, INPUT_SIZE)


def square_at(centre: np.ndarray, size: np.ndarray, eye_line: np.ndarray) -> np.ndarray:
    """The same for a face of which only a box is known. All arguments are (2,), in frame pixels.

    centre, size: of the box. eye_line: from the right eye to the left eye.
    """
    return square_map(centre, MARGIN * size.max(), _axes(eye_line), INPUT_SIZE)


def _axes(eye_line: np.ndarray) -> np.ndarray:
    """Unit vectors (2,2) along the line between the eyes and perpendicular to it, as columns."""
    x, y = eye_line / max(np.hypot(*eye_line), 1e-6)
    return np.array([[x, -y], [y, x]])
