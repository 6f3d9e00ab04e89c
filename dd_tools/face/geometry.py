"""From landmarks to what the networks see: how a face is framed, which region is painted, what the encoder is shown.

Everything hangs on the pose, a similarity from the *template* to the picture. Template coordinates: origin between the
eyes, x to the person's left, y down, unit one interocular distance. The pose is fitted only on points that speech does
not move. Coordinates and maps are as in `dd_tools.face.warping`.
"""

import cv2
import numpy as np

from dd_tools.face.landmarks import INNER_BROW, NOSE_TIP
from dd_tools.face.warping import square_map, transform

# Corners of the eyes, bridge and tip of the nose: their mean places over forty speakers, made symmetric.
STABLE_POINTS = (36, 39, 42, 45, 27, 28, 29, 30)
TEMPLATE = np.array([
    (-0.700, 0.003), (-0.278, 0.008), (0.278, 0.008), (0.700, 0.003),
    (0.0, -0.024), (0.0, 0.202), (0.0, 0.364), (0.0, 0.501),
])  # fmt: skip

# The tight crop, in template units: from just above the brows (-0.45) to below the chin of an open mouth (2.2).
FACE_CENTRE, FACE_SIDE = (0.0, 0.85), 2.9

# The head crop, as HDTF is framed: where the point between the eyes lies in the square (shares of its side).
HEAD_SIDE, HEAD_EYES = 5.25, (0.5, 0.43)
FRAMED_ALREADY = 0.8  # a square larger than this share of the picture becomes all of it: it has been framed before

# The steady mask, in template units: an ellipse from under the nose's tip to below an open mouth's chin. It covers
# what speech moves, and its edge lies on the skin of cheeks and neck, where a seam is easiest to hide.
STEADY_CENTRE, STEADY_RADII = (0.0, 1.39), (0.85, 0.81)

# The authors' polygon, in pixels of their 256 px crops.
AUTHORS_SIZE = 256
CHIN_DROP, DILATION = 5, 8  # four times a 5 × 5 square reaches 8 pixels

SMOOTHING_SECONDS = 0.1  # standard deviation of the Gaussian over the pose: 2.5 frames at 25 a second
DEVIATIONS = 3  # as far as that Gaussian, and others, reach
_SUBPIXEL_BITS = 8


def fit_poses(landmarks: np.ndarray) -> np.ndarray:
    """Least-squares similarities (T,2,3) from the template to the stable points of landmarks (T,68,2); NaN stays NaN.

    As complex numbers a similarity is z ↦ a·z + b, and least squares has the closed form used here.
    """
    points = landmarks[:, STABLE_POINTS].astype(np.float64) @ (1, 1j)
    template = TEMPLATE @ (1, 1j)
    template_mean, means = template.mean(), points.mean(1)
    centred = template - template_mean
    factors = (points - means[:, None]) @ centred.conj() / np.vdot(centred, centred)
    return _as_matrices(factors, means - factors * template_mean)


def _as_matrices(factors: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    a, b = factors.real, factors.imag
    return np.stack([np.stack([a, -b, shifts.real], -1), np.stack([b, a, shifts.imag], -1)], -2)


def smooth_poses(poses: np.ndarray, pts: np.ndarray, sigma: float = SMOOTHING_SECONDS) -> np.ndarray:
    """Poses (T,2,3) at times `pts` (T) seconds, averaged over time with a Gaussian; NaN gaps are bridged linearly.

    Averaging the entries averages the path of every template point, and similarities stay similarities. Nothing is
    averaged across a gap or a leap (a cut). Raises `ValueError` if there is no pose at all.
    """
    known = np.isfinite(poses).all((1, 2))
    if not known.any():
        raise ValueError("no pose to smooth")
    smooth = np.empty_like(poses)
    for run in _steady_runs(poses, known):
        smooth[run] = gaussian_average(poses[run], pts[run], sigma)
    for row, column in np.ndindex(2, 3):
        smooth[~known, row, column] = np.interp(pts[~known], pts[known], smooth[known, row, column])
    return smooth


def _steady_runs(poses: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """Indices of consecutive known poses without a leap of half an interocular distance from one to the next."""
    indices = np.flatnonzero(known)
    anchors = transform(np.array(FACE_CENTRE), poses[indices])
    leaps = np.linalg.norm(np.diff(anchors, axis=0), axis=-1) > 0.5 * scale_of(poses[indices[1:]])
    return np.split(indices, np.flatnonzero(leaps | (np.diff(indices) > 1)) + 1)


def gaussian_average(values: np.ndarray, times: np.ndarray, sigma: float) -> np.ndarray:
    """Values (T,...) at rising `times` (T), each averaged with its neighbours by a Gaussian of deviation `sigma`."""
    reach = DEVIATIONS * sigma
    first, last = np.searchsorted(times, times - reach), np.searchsorted(times, times + reach, "right")
    averages = np.empty_like(values)
    for index, (start, stop) in enumerate(zip(first, last, strict=True)):
        weights = np.exp(-0.5 * ((times[start:stop] - times[index]) / sigma) ** 2)
        averages[index] = np.tensordot(weights / weights.sum(), values[start:stop], 1)
    return averages


def scale_of(poses: np.ndarray) -> np.ndarray:
    """Picture pixels per template unit (the interocular distance of a frontal face) of poses (..., 2, 3)."""
    return np.hypot(poses[..., 0, 0], poses[..., 1, 0])


def face_crops(poses: np.ndarray, size: int) -> np.ndarray:
    """The tight upright crop that goes with the face: crop_to_source float64 (T,2,3)."""
    crop_to_template = square_map(np.array(FACE_CENTRE), FACE_SIDE, np.eye(2), size)
    return compose(poses, crop_to_template)


def head_crops(poses: np.ndarray, landmarks: np.ndarray, width: int, height: int, size: int) -> np.ndarray:
    """One fixed square around head and shoulders for the whole clip, HDTF's framing: crop_to_source float64 (T,2,3).

    It holds every frame's landmarks (T,68,2; NaN where unknown) if it can, and never reaches beyond the picture.
    """
    seen = landmarks[np.isfinite(landmarks).all((1, 2))]
    low, high = np.floor(seen.min((0, 1))), np.ceil(seen.max((0, 1))) + 1  # edges of pixels
    side = max(HEAD_SIDE * np.median(scale_of(poses)), *(high - low))
    shorter = min(width, height)
    side = shorter if side > FRAMED_ALREADY * shorter else round(side)
    corner = np.median(poses[:, :, 2], axis=0) - side * np.array(HEAD_EYES)
    # Moved as little as needed to hold every face; where they wander too far for that, it stays among them.
    corner = np.clip(corner, np.minimum(high - side, low), np.maximum(high - side, low))
    left, top = np.clip(np.rint(corner), 0, np.array([width, height]) - side)
    crop = square_map(np.array([left, top]) + (side - 1) / 2, side, np.eye(2), size)
    return np.tile(crop, (len(poses), 1, 1))


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Affine maps (..., 2, 3) that do `inner` first, then `outer`."""
    shift = (outer[..., :2] @ inner[..., 2:])[..., 0] + outer[..., 2]
    return np.concatenate([outer[..., :2] @ inner[..., :2], shift[..., None]], -1)


def steady_mask(template_to_crop: np.ndarray, size: int) -> np.ndarray:
    """The painted region of one frame, uint8 (S,S), 1 = repaint: a fixed shape that follows the head, not the lips.

    template_to_crop (2,3): the smoothed pose in crop pixels.
    """
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1) * STEADY_RADII + STEADY_CENTRE
    pixels = np.rint(transform(outline, template_to_crop) * 2**_SUBPIXEL_BITS).astype(np.int32)
    return cv2.fillPoly(np.zeros((size, size), np.uint8), [pixels], 1, shift=_SUBPIXEL_BITS)


def paper_mask(landmarks: np.ndarray, size: int, top: int = NOSE_TIP) -> np.ndarray:
    """The authors' region of one frame, uint8 (S,S), 1 = inside, cut along the jaw of landmarks (68,2) in crop pixels.

    `top` is the landmark at whose height it begins: the nose tip for painting, `INNER_BROW` for the face image. The
    authors' pixel constants hold for 256 px and are scaled to `size`.
    """
    scale = size / AUTHORS_SIZE
    right, chin, left = landmarks[6], landmarks[8] + (0, CHIN_DROP * scale), landmarks[10]
    height = landmarks[top, 1]
    corners = np.array([(right[0], height), (left[0], height), left, chin, right]).astype(np.int32)
    polygon = cv2.fillPoly(np.zeros((size, size), np.uint8), [corners], 1)
    reach = max(1, round(DILATION * scale))
    return cv2.dilate(polygon, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))


def face_image(frame: np.ndarray, landmarks: np.ndarray, size: int, eyes: bool = True) -> np.ndarray:
    """The semantic encoder's input, uint8 (F,F,3) with F = `size`: the lower face, with the eyes' band if `eyes`.

    The authors' definition: the crop `frame` (S,S,3) times their polygon of landmarks (68,2), cut to the polygon's
    bounding box (without its last row and column, as they do) and stretched to a square without interpolation.
    """
    region = paper_mask(landmarks, frame.shape[0], INNER_BROW if eyes else NOSE_TIP)
    left, top, width, height = cv2.boundingRect(region)
    box = np.s_[top : top + max(1, height - 1), left : left + max(1, width - 1)]
    return cv2.resize(frame[box] * region[box][..., None], (size, size), interpolation=cv2.INTER_NEAREST)
