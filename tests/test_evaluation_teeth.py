"""Sharpness between the lips, of patterns whose gradient is known."""

import math

import cv2
import numpy as np
import pytest
from factories import dummy_face_landmarks

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.mouth import MatchedMouths, Mouth
from dd_tools.evaluation.measures.sharpness import ratio_of_means
from dd_tools.evaluation.measures.teeth import TEETH_SHARPNESS, inner_gradient
from dd_tools.face.landmarks import INNER_LIPS

SIZE = 480
OPENINGS = 0.15, 0.2, 0.35, 0.2, 0.25, 0.3, 0.4
NOISE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def frame(pixels: np.ndarray, opening: float = 0.3) -> FaceFrame:
    return FaceFrame(pixels, dummy_face_landmarks(opening=opening) * np.float32(SIZE / 96))


def slope(right: float, down: float) -> np.ndarray:
    """Grey levels that rise by these numbers per pixel."""
    x, y = frame(NOISE).landmarks[INNER_LIPS].mean(0)
    rows, columns = np.indices((SIZE, SIZE))
    levels = np.clip(np.rint(128 + right * (columns - x) + down * (rows - y)), 0, 255)
    return np.repeat(levels[..., None], 3, -1).astype(np.uint8)


def sharpness(truth: list[FaceFrame], generated: list[FaceFrame]) -> float:
    measure = MatchedMouths(TEETH_SHARPNESS, inner_gradient, ratio_of_means)
    for pair in zip(truth, generated, strict=True):
        measure.add(FramePair(*pair))
    return measure.results()[0]


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 2), (1.5, 1)])
def test_gradient_of_a_slope(right, down):
    face = frame(slope(right, down))
    left, top, end, bottom = face.lower_face * SIZE
    expected = math.hypot(right * (end - left) / 256, down * (bottom - top) / 256)
    assert inner_gradient(Mouth(face)) == (pytest.approx(expected, rel=0.01),)


def test_luma_weighs_the_colours():
    face = frame(slope(1, 0))
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        one = np.zeros_like(face.pixels)
        one[..., channel] = face.pixels[..., channel]
        (gradient,) = inner_gradient(Mouth(frame(one)))
        assert gradient == pytest.approx(weight * inner_gradient(Mouth(face))[0], rel=1e-4)


def test_half_the_contrast_is_half_as_sharp():
    truth, generated = ([frame(slope(step, 0), opening) for opening in OPENINGS] for step in (2, 1))
    assert sharpness(truth, generated) == pytest.approx(0.5, abs=0.02)
    assert sharpness(generated, truth) == pytest.approx(2, abs=0.08)


def test_blur_lowers_the_sharpness():
    truth = [frame(NOISE, opening) for opening in OPENINGS]
    blurred = [
        sharpness(truth, [frame(cv2.GaussianBlur(NOISE, None, sigma), opening) for opening in OPENINGS])
        for sigma in (0.5, 1, 2, 4)
    ]
    assert 0.9 > blurred[0] > blurred[1] > blurred[2] > blurred[3] > 0


def test_identical_videos_are_equally_sharp():
    assert sharpness([frame(NOISE)] * 8, [frame(NOISE)] * 8) == 1
    frames = [frame(NOISE, opening) for opening in OPENINGS]
    assert sharpness(frames, frames) == pytest.approx(1, abs=0.02)


def test_only_the_inside_of_the_mouth_counts():
    face = frame(NOISE)
    inner = cv2.fillPoly(np.zeros((SIZE, SIZE), np.uint8), [np.rint(face.landmarks[INNER_LIPS]).astype(np.int32)], 1)
    outside = cv2.dilate(inner, np.ones((13, 13), np.uint8)) == 0
    smooth = np.where(outside[..., None], np.uint8(128), NOISE)
    assert inner_gradient(Mouth(frame(smooth))) == inner_gradient(Mouth(face))


@pytest.mark.parametrize(("opening", "is_open"), [(0, False), (0.08, False), (0.09, True)])
def test_closed_mouths_show_no_teeth(opening, is_open):
    # The lips of the drawn face are 0.016 interocular distances apart at an opening of 0.
    assert (inner_gradient(Mouth(frame(NOISE, opening))) is not None) == is_open


def test_closed_mouths_do_not_count():
    blur = cv2.GaussianBlur(NOISE, None, 3)
    truth, generated = [frame(NOISE), frame(NOISE, 0)], [frame(blur), frame(blur, 0)]
    assert sharpness(truth, generated) == sharpness(truth[:1], generated[:1]) < 0.5


def test_without_open_mouths_or_edges_there_is_no_value():
    opened, closed, plain = frame(NOISE), frame(NOISE, 0), frame(np.full_like(NOISE, 90))
    assert math.isnan(sharpness([opened], [closed]))
    assert math.isnan(sharpness([closed], [opened]))
    assert math.isnan(sharpness([plain], [opened]))
    assert sharpness([opened], [plain]) == 0
