"""Sharpness of the mouth and around it, of patterns whose gradient is known."""

import math

import cv2
import numpy as np
import pytest
from factories import dummy_face_landmarks
from test_evaluation_teeth import NOISE, OPENINGS, SIZE, frame, slope

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.mouth import MatchedMouths, Mouth
from dd_tools.evaluation.measures.mouth_sharpness import MOUTH_SHARPNESS, mouth_gradient
from dd_tools.evaluation.measures.sharpness import ratio_of_means
from dd_tools.face.landmarks import OUTER_LIPS


def sharpness(truth: list[FaceFrame], generated: list[FaceFrame]) -> float:
    measure = MatchedMouths(MOUTH_SHARPNESS, mouth_gradient, ratio_of_means)
    for pair in zip(truth, generated, strict=True):
        measure.add(FramePair(*pair))
    return measure.results()[0]


def blurred(sigma: float, where: np.ndarray | None = None) -> np.ndarray:
    blur = cv2.GaussianBlur(NOISE, None, sigma)
    return blur if where is None else np.where(where[..., None], blur, NOISE)


def around_the_mouth(share: float) -> np.ndarray:
    """The box of the lips of `frame`, with a margin of so much of its width, bool (480,480)."""
    points = frame(NOISE).landmarks[OUTER_LIPS]
    margin = share * np.ptp(points[:, 0])
    (left, top), (right, bottom) = (points.min(0) - margin).astype(int), (points.max(0) + margin).astype(int)
    inside = np.zeros((SIZE, SIZE), bool)
    inside[top:bottom, left:right] = True
    return inside


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (1, 1)])
def test_gradient_of_a_slope(right, down):
    face = frame(slope(right, down))
    left, top, end, bottom = face.lower_face * SIZE
    expected = math.hypot(right * (end - left) / 256, down * (bottom - top) / 256)
    assert mouth_gradient(Mouth(face)) == (pytest.approx(expected, rel=0.04),)


def test_blur_lowers_the_sharpness_of_open_and_closed_mouths():
    for openings in (OPENINGS, [0.0] * 7):
        truth = [frame(NOISE, opening) for opening in openings]
        values = [sharpness(truth, [frame(blurred(sigma), one) for one in openings]) for sigma in (0.5, 1, 2, 4)]
        assert 0.9 > values[0] > values[1] > values[2] > values[3] > 0
        assert sharpness(truth, truth) == pytest.approx(1, abs=0.02)


def test_the_skin_around_the_mouth_counts_and_the_rest_does_not():
    assert sharpness([frame(NOISE)], [frame(blurred(2, ~around_the_mouth(0.35)))]) == 1
    assert sharpness([frame(NOISE)], [frame(blurred(2, ~around_the_mouth(0.0)))]) < 0.8


def test_each_mouth_is_compared_with_true_ones_that_are_open_as_far():
    """Wide mouths are blurred in both videos, at other times."""
    look = {0.1: NOISE, 0.4: blurred(3)}
    truth = [frame(look[opening], opening) for opening in [0.1] * 5 + [0.4] * 5]
    assert sharpness(truth, truth[::-1]) == pytest.approx(1)


def test_without_a_mouth_or_edges_there_is_no_value():
    plain, hidden = frame(np.full_like(NOISE, 90)), FaceFrame(NOISE, None)
    assert math.isnan(sharpness([plain], [frame(NOISE)]))
    assert math.isnan(sharpness([frame(NOISE)], [hidden]))
    assert sharpness([frame(NOISE)], [plain]) == 0


def test_a_mouth_at_the_edge_of_the_frame():
    landmarks = dummy_face_landmarks() * np.float32(SIZE / 96)
    for shift in range(0, 400, 7):
        for way in ((0, shift), (shift, 0), (-shift, 0)):
            value = sharpness([frame(NOISE)], [FaceFrame(NOISE, landmarks + np.float32(way))])
            assert value > 0 or math.isnan(value)
