"""How a head is turned and tilted, and where chin and lips would lie if it looked straight ahead.

The crop follows the head in its plane, but a head that turns shifts and shortens what is seen of chin and lips,
whatever is said. So motion speaks of the *frontal* face: coordinates as the template's (see `dd_tools.face.geometry`),
origin between the eyes, x to the person's left, y down, unit one interocular distance. An affine camera per frame leads
from there to the picture. It is fitted only on points that speech does not move.
"""

import numpy as np

from dd_tools.face.geometry import gaussian_average

# x, y and depth (towards the viewer) in template units: the mean of 25 speakers, made symmetric; the depths are those
# that explain best how these points moved against each other as the heads turned (structure from motion).
RIGID_POINTS = (0, 1, 2, 14, 15, 16, 36, 39, 42, 45, 27, 28, 29, 30)  # by the ears, corners of the eyes, nose
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

SMOOTHING_SECONDS = 0.04  # standard deviation of the Gaussian over the cameras: heads do not tremble, detectors do

_FIT = np.linalg.pinv(np.column_stack([RIGID, np.ones(len(RIGID))]))  # (4, 14)


def fit_cameras(landmarks: np.ndarray, pts: np.ndarray) -> np.ndarray:
    """Affine cameras (T,2,4) of landmarks (T,68,2) seen at rising times `pts` (T) seconds: they take x, y, depth and 1
    to the landmarks' coordinates. Least squares, then averaged over time.
    """
    cameras = np.swapaxes(_FIT @ landmarks[:, RIGID_POINTS].astype(np.float64), 1, 2)
    return gaussian_average(cameras, pts, SMOOTHING_SECONDS)


def frontal(points: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    """`MOUTH_REGION` (T,25,2) as cameras (T,2,4) see it, in frontal coordinates (T,25,2)."""
    backwards = np.linalg.pinv(cameras[..., :2])  # the inverse, but for landmarks so wrong that there is none
    return (points - _shift(cameras)) @ np.swapaxes(backwards, 1, 2)


def turned(points: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    """The inverse: `MOUTH_REGION` in frontal coordinates (T,25,2) as cameras (T,2,4) see it."""
    return points @ np.swapaxes(cameras[..., :2], 1, 2) + _shift(cameras)


def _shift(cameras: np.ndarray) -> np.ndarray:
    """(T,25,2): what the points' depths and the camera's place add."""
    return DEPTHS[:, None] * cameras[:, None, :, 2] + cameras[:, None, :, 3]
