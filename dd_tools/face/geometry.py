"""From landmarks to the networks' inputs: pose, crop, mask and face image.

Crops and the steady mask are derived from the pose, a similarity transform from the *template* to the frame. Template
coordinates have their origin between the eyes, x to the person's left and y down; the unit is one interocular distance.
The pose is fitted only on points that do not move with speech. The paper's mask and the face image are derived from the
landmarks themselves. For coordinates and affine maps see `dd_tools.face.affine`.
"""

import cv2
import numpy as np

from dd_tools.face.affine import compose, square_map, transform
from dd_tools.face.landmarks import INNER_BROW, NOSE_TIP

# Corners of the eyes, bridge and tip of the nose, and their mean positions over forty speakers, made symmetric.
STABLE_POINTS = (36, 39, 42, 45, 27, 28, 29, 30)
TEMPLATE = np.array([
    (-0.700, 0.003), (-0.278, 0.008), (0.278, 0.008), (0.700, 0.003),
    (0.0, -0.024), (0.0, 0.202), (0.0, 0.364), (0.0, 0.501),
])  # fmt: skip

# The face crop, in template units: from just above the brows (-0.45) to below the chin of an open mouth (2.2).
FACE_CENTRE, FACE_SIDE = (0.0, 0.85), 2.9

# The head crop, framed like HDTF's clips: its side in template units, and the place of the template's origin in it, in
# units of the side.
HEAD_SIDE, HEAD_EYES = 5.25, (0.5, 0.43)
PREFRAMED_SHARE = 0.8  # a square larger than this share of the frame's shorter side is enlarged to the whole side

# The steady mask, in template units: an ellipse from under the nose tip to below the chin of an open mouth. It covers
# what speech moves; its edge lies on the skin of cheeks and neck, where a seam is least visible.
STEADY_CENTRE, STEADY_RADII = (0.0, 1.39), (0.85, 0.81)
STEADY_VERTICES = 96

# The authors' polygon, in pixels of their 256 px crops.
AUTHORS_SIZE = 256
CHIN_DROP, DILATION = 5, 8  # dilating four times by a 5 × 5 square adds 8 pixels

SMOOTHING_SECONDS = 0.1  # standard deviation of the Gaussian that smooths poses: 2.5 frames at 25 per second
MAX_JUMP = 0.5  # template units; poses are not smoothed across a larger move between two frames
TRUNCATE = 3  # standard deviations at which Gaussian windows end
_SUBPIXEL_BITS = 8


def fit_poses(landmarks: np.ndarray) -> np.ndarray:
    """Least-squares similarities (T,2,3) from the template to the stable points of landmarks (T,68,2); NaN stays NaN.

    With points as complex numbers a similarity is z ↦ a·z + b, which least squares solves in closed form for all
    frames at once, over 200 times as fast as `skimage.transform.SimilarityTransform` frame by frame.
    """
    points = landmarks[:, STABLE_POINTS].astype(np.float64) @ (1, 1j)
    template = TEMPLATE @ (1, 1j)
    template_mean, means = template.mean(), points.mean(1)
    centred = template - template_mean
    a = (points - means[:, None]) @ centred.conj() / np.vdot(centred, centred)
    return _as_matrices(a, means - a * template_mean)


def _as_matrices(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The maps z ↦ a·z + b as matrices (T,2,3)."""
    return np.stack([np.stack([a.real, -a.imag, b.real], -1), np.stack([a.imag, a.real, b.imag], -1)], -2)


def smooth_poses(poses: np.ndarray, pts: np.ndarray, sigma: float = SMOOTHING_SECONDS) -> np.ndarray:
    """Smooth poses (T,2,3) at times `pts` (T,) by a Gaussian of standard deviation `sigma`, both in seconds.

    Averaging the matrices averages the path of every template point, and averages of similarities are similarities.
    Nothing is averaged across gaps (NaN) and jumps; gaps are then filled linearly. Raises `ValueError` if all poses
    are NaN.
    """
    known = np.isfinite(poses).all((1, 2))
    if not known.any():
        raise ValueError("no pose to smooth")
    smooth = np.empty_like(poses)
    for run in _continuous_runs(poses, known):
        smooth[run] = gaussian_average(poses[run], pts[run], sigma)
    for row, column in np.ndindex(2, 3):
        smooth[~known, row, column] = np.interp(pts[~known], pts[known], smooth[known, row, column])
    return smooth


def _continuous_runs(poses: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """Indices of consecutive known poses without a jump between two frames."""
    indices = np.flatnonzero(known)
    centres = transform(np.array(FACE_CENTRE), poses[indices])
    jumps = np.linalg.norm(np.diff(centres, axis=0), axis=-1) > MAX_JUMP * scale_of(poses[indices[1:]])
    return np.split(indices, np.flatnonzero(jumps | (np.diff(indices) > 1)) + 1)


def gaussian_average(
    values: np.ndarray, times: np.ndarray, sigma: float, shots: np.ndarray | None = None
) -> np.ndarray:
    """Smooth `values` (T,...) at rising `times` (T,) by a Gaussian of standard deviation `sigma`, in units of `times`.

    The Gaussian is truncated at `TRUNCATE` standard deviations and at cuts, and the remaining weights are normalised.
    shots: (T,) rising numbers of the shots; None for a single one.
    """
    radius = TRUNCATE * sigma
    first, last = np.searchsorted(times, times - radius), np.searchsorted(times, times + radius, "right")
    if shots is not None:
        first = np.maximum(first, np.searchsorted(shots, shots))
        last = np.minimum(last, np.searchsorted(shots, shots, "right"))
    averages = np.empty_like(values)
    for index, (start, stop) in enumerate(zip(first, last, strict=True)):
        weights = np.exp(-0.5 * ((times[start:stop] - times[index]) / sigma) ** 2)
        averages[index] = np.tensordot(weights / weights.sum(), values[start:stop], 1)
    return averages


def scale_of(poses: np.ndarray) -> np.ndarray:
    """Frame pixels per template unit, the interocular distance of a frontal face, of poses (..., 2, 3)."""
    return np.hypot(poses[..., 0, 0], poses[..., 1, 0])


def face_crops(poses: np.ndarray, size: int) -> np.ndarray:
    """The tight, upright crop for each of `poses` (T,2,3): crop_to_source float64 (T,2,3).

    It follows the head and rotates with it, so that a small network spends its pixels on the mouth and always sees it
    in the same place.
    """
    return compose(poses, square_map(np.array(FACE_CENTRE), FACE_SIDE, np.eye(2), size))


def head_crops(poses: np.ndarray, landmarks: np.ndarray, width: int, height: int, size: int) -> np.ndarray:
    """One fixed square around head and shoulders for a whole shot, the paper's framing: crop_to_source float64 (T,2,3).

    It contains the landmarks (T,68,2; NaN without a face) of all frames if it can, and never exceeds the frame of
    `width` × `height` pixels.
    """
    known = landmarks[np.isfinite(landmarks).all((1, 2))]
    low, high = np.floor(known.min((0, 1))), np.ceil(known.max((0, 1))) + 1  # edges of pixels
    side = max(HEAD_SIDE * np.median(scale_of(poses)), *(high - low))
    shorter = min(width, height)
    side = shorter if side > PREFRAMED_SHARE * shorter else round(side)
    corner = np.median(poses[:, :, 2], axis=0) - side * np.array(HEAD_EYES)
    # Moved as little as needed to contain every face; if they are too far apart for that, it stays among them.
    corner = np.clip(corner, np.minimum(high - side, low), np.maximum(high - side, low))
    left, top = np.clip(np.rint(corner), 0, np.array([width, height]) - side)
    crop = square_map(np.array([left, top]) + (side - 1) / 2, side, np.eye(2), size)
    return np.tile(crop, (len(poses), 1, 1))


def steady_mask(template_to_crop: np.ndarray, size: int) -> np.ndarray:
    """The region to repaint in one frame, uint8 (S,S), 1 = repaint: an ellipse fixed to the head.

    Its shape does not depend on the lips. A mask cut along the jaw shows the network how far the mouth was open in the
    source, and in training it learns to repeat that instead of following the speech.

    template_to_crop: (2,3), the smoothed pose in crop pixels.
    """
    angle = np.linspace(0, 2 * np.pi, STEADY_VERTICES, endpoint=False)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1) * STEADY_RADII + STEADY_CENTRE
    pixels = np.rint(transform(outline, template_to_crop) * 2**_SUBPIXEL_BITS).astype(np.int32)
    return cv2.fillPoly(np.zeros((size, size), np.uint8), [pixels], 1, shift=_SUBPIXEL_BITS)


def paper_mask(landmarks: np.ndarray, size: int, top: int = NOSE_TIP) -> np.ndarray:
    """The authors' polygon along the jaw in one frame, uint8 (S,S), 1 = inside, from landmarks (68,2) in crop pixels.

    top: index of the landmark at whose height the polygon begins: `NOSE_TIP` for the mask, `INNER_BROW` for the face
    image. The authors' constants are for 256 px and are scaled to `size`.
    """
    scale = size / AUTHORS_SIZE
    right, chin, left = landmarks[6], landmarks[8] + (0, CHIN_DROP * scale), landmarks[10]
    height = landmarks[top, 1]
    corners = np.array([(right[0], height), (left[0], height), left, chin, right]).astype(np.int32)
    polygon = cv2.fillPoly(np.zeros((size, size), np.uint8), [corners], 1)
    radius = max(1, round(DILATION * scale))
    return cv2.dilate(polygon, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))


def face_image(frame: np.ndarray, landmarks: np.ndarray, size: int, eyes: bool = True) -> np.ndarray:
    """The semantic encoder's input, uint8 (F,F,3) with F = `size`: the lower face, with the band of the eyes if `eyes`.

    As in the authors' code: the crop `frame` (S,S,3) is black outside the polygon of `landmarks` (68,2), cropped to the
    polygon's bounding box without its last row and column, and resized to a square by nearest-neighbour interpolation.
    """
    region = paper_mask(landmarks, frame.shape[0], INNER_BROW if eyes else NOSE_TIP)
    left, top, width, height = cv2.boundingRect(region)
    box = np.s_[top : top + max(1, height - 1), left : left + max(1, width - 1)]
    return cv2.resize(frame[box] * region[box][..., None], (size, size), interpolation=cv2.INTER_NEAREST)
