"""Head pose in 3-D: frontal coordinates of chin and lips, and how they appear when the head is turned.

The crop follows the head's position and roll. Yaw and pitch still shift and foreshorten chin and lips in the crop,
whatever is said. The motion model therefore works on the *frontal* face: it need not know where the person looks, and
painting turns its landmarks with the head, so that the lips stay on the face. Frontal coordinates are those of the
template (`dd_tools.face.geometry`): origin between the eyes, x to the person's left, y down, one interocular distance
as unit.

One affine camera per frame maps them, with their depths, to the frame. It is fitted only on rigid points of the head,
which do not move with speech.
"""

import numpy as np

from dd_tools.face.geometry import gaussian_average

# x, y and depth (towards the viewer) in template units: means over 25 speakers, made symmetric. The depths come from
# structure from motion: they best explain how these points moved relative to each other as the heads turned.
RIGID_POINTS = (0, 1, 2, 14, 15, 16, 36, 39, 42, 45, 27, 28, 29, 30)  # jaw near the ears, corners of the eyes, nose
RIGID = np.array([
    (-1.129, 0.073, -0.934), (-1.110, 0.443, -1.023), (-1.081, 0.699, -1.041),
    (1.081, 0.699, -1.041), (1.110, 0.443, -1.023), (1.129, 0.073, -0.934),
    (-0.697, -0.001, -0.189), (-0.276, 0.003, -0.083), (0.276, 0.003, -0.083), (0.697, -0.001, -0.189),
    (0.0, -0.023, 0.187), (0.0, 0.205, 0.307), (0.0, 0.370, 0.401), (0.0, 0.508, 0.446),
])  # fmt: skip
DEPTHS = np.array([  # of `MOUTH_REGION`: chin, outer lips, inner lips
    -0.590, -0.439, -0.336, -0.439, -0.590,
    -0.229, -0.052, 0.061, 0.082, 0.061, -0.052, -0.229, -0.149, -0.093, -0.071, -0.093, -0.149,
    -0.223, -0.013, 0.017, -0.013, -0.223, -0.077, -0.050, -0.077,
])  # fmt: skip

SMOOTHING_SECONDS = 0.04  # standard deviation of the Gaussian over the cameras, which removes the detector's jitter

_FIT = np.linalg.pinv(np.column_stack([RIGID, np.ones(len(RIGID))]))  # (4, 14)


def fit_cameras(landmarks: np.ndarray, pts: np.ndarray, shots: np.ndarray | None = None) -> np.ndarray:
    """Fit one affine camera per frame by least squares: (T,2,4), from x, y, depth and 1 to the landmarks' coordinates.

    landmarks: (T,68,2). pts: (T,) rising times in seconds, over which the cameras are smoothed within each shot. shots:
    (T,) rising numbers of the shots; None for a single one.
    """
    cameras = np.swapaxes(_FIT @ landmarks[:, RIGID_POINTS].astype(np.float64), 1, 2)
    return gaussian_average(cameras, pts, SMOOTHING_SECONDS, shots)


def frontal(points: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    """Frontal coordinates (T,25,2) of the landmarks `MOUTH_REGION` (T,25,2) seen by cameras (T,2,4)."""
    inverse = np.linalg.pinv(cameras[..., :2])  # differs from the inverse only for degenerate landmarks
    return (points - _offset(cameras)) @ np.swapaxes(inverse, 1, 2)


def turned(points: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    """The inverse of `frontal`: coordinates (T,25,2) of frontal `points` (T,25,2) as cameras (T,2,4) see them."""
    return points @ np.swapaxes(cameras[..., :2], 1, 2) + _offset(cameras)


def _offset(cameras: np.ndarray) -> np.ndarray:
    """The contribution of the points' depths and the cameras' translations to x and y: (T,25,2)."""
    return DEPTHS[:, None] * cameras[:, None, :, 2] + cameras[:, None, :, 3]
