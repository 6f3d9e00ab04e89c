"""Whether something covers the mouth in a frame, such as a microphone, a mask or a hand.

A landmark detector places lips on whatever covers them, and is no less confident of the face. What it takes for lips
then lacks what lips have: edges, where they meet the skin and each other, and a colour that is redder than the skin
around them, but not far from that of the rest of the face.
"""

import cv2
import numpy as np

from dd_tools.face.affine import invert, resample, square_map, transform
from dd_tools.face.geometry import FACE_CENTRE, FACE_SIDE, face_crops, fit_poses
from dd_tools.face.landmarks import INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE

SIZE = 96  # pixels, side of the face crop that is looked at; the eyes are 33 pixels apart in it
# Upper cheeks and nose, in template units: skin above all that covers a mouth and no beard.
SKIN = np.array([(-0.75, 0.25), (-0.2, 0.25), (0, 0.05), (0.2, 0.25), (0.75, 0.25), (0.6, 0.62), (-0.6, 0.62)])
GAP, AROUND = 2, 6  # pixels outside the lips, between which the skin around them lies
EYE_MARGIN = 1  # pixels
BLUR = 0.8  # pixels, standard deviation of the Gaussian before edges are measured

DARKEST = 4  # grey levels that are added to every pixel, so that the colour of a nearly black one does not count
WEAKEST = 0.03  # edge that is added to every mean edge

# Of the `lip_signs`, by logistic regression, see tests/benchmarks/covered_mouths.py.
WEIGHTS = np.array([-4.0, -12.8, -6.1, 7.3, -4.4])
# Above all medians of five successive frames of 56 clips without a covered mouth, among them beards, turned heads, dark
# skin, motion blur, and microphones below the mouth.
THRESHOLD = 8.0


def is_covered(frame: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether something seems to cover the mouth of the face with `landmarks` (68,2) in a frame uint8 (H,W,3).

    It errs in single frames, for example with motion blur.
    """
    return cover_score(frame, landmarks) > THRESHOLD


def cover_score(frame: np.ndarray, landmarks: np.ndarray) -> float:
    """How much what is seen in place of the lips differs from lips; that of most free mouths is below 0."""
    return float(WEIGHTS @ lip_signs(frame, landmarks))


def lip_signs(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Five numbers that tell lips from what covers them, all 0 if the lips have no extent.

    Strength of the edges at the lips, relative to the sharpness of the frame; how much redder they are than the skin
    around them, and than the rest of the face; how far they differ from the face in blue, either way; and how much
    brighter they are than the face. All are logarithms of ratios.
    """
    crop_to_frame = face_crops(fit_poses(landmarks[None]), SIZE)[0]
    points = transform(landmarks, invert(crop_to_frame))
    outer = _filled(points[OUTER_LIPS])
    lips = outer & ~_filled(points[INNER_LIPS])
    if not lips.any():
        return np.zeros(len(WEIGHTS))
    around = _grown(outer, AROUND) & ~_grown(outer, GAP)
    face = _filled(transform(SKIN, invert(square_map(np.array(FACE_CENTRE), FACE_SIDE, np.eye(2), SIZE))))
    red, blue, light = _colours(resample(frame, crop_to_frame, (SIZE, SIZE)))
    edges = np.abs(cv2.Sobel(cv2.GaussianBlur(light, (0, 0), BLUR), cv2.CV_32F, 0, 1))
    eyes = _grown(_filled(points[RIGHT_EYE]) | _filled(points[LEFT_EYE]), EYE_MARGIN)
    return np.array([
        np.log(edges[outer].mean() + WEAKEST) - np.log(edges[eyes].mean() + WEAKEST) / 2,
        np.clip(_difference(red, lips, around), -0.3, 0.3),
        np.clip(_difference(red, lips, face), -0.5, 0.5),
        np.clip(abs(_difference(blue, lips, face)), 0.15, 1),
        np.clip(_difference(light, lips, face), -1, 1),
    ])  # fmt: skip


def _colours(crop: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithms float32 (S,S) of red and blue, each relative to green, and of the luma of a crop uint8 (S,S,3).

    Their differences within a frame hardly depend on its brightness and white balance.
    """
    red, green, blue = np.log(crop.astype(np.float32) + DARKEST).transpose(2, 0, 1)
    return red - green, blue - green, np.log(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32) + DARKEST)


def _difference(values: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """The median of `values` (S,S) in the region `one`, less that in the region `other`."""
    return float(np.median(values[one]) - np.median(values[other]))


def _filled(outline: np.ndarray) -> np.ndarray:
    """The region bool (S,S) inside a polygon (N,2)."""
    pixels = np.rint(outline * 16).astype(np.int32)
    return cv2.fillPoly(np.zeros((SIZE, SIZE), np.uint8), [pixels], 1, shift=4) > 0


def _grown(region: np.ndarray, radius: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(region.astype(np.uint8), disc) > 0
