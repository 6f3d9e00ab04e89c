"""The colour difference of lips, against scikit-image's CIELAB and literal values."""

import math

import cv2
import numpy as np
import pytest
from factories import dummy_face, dummy_face_landmarks
from skimage.color import deltaE_cie76, lab2rgb, rgb2lab

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.lip_colour import LIP_COLOUR, lip_colour, mean_delta_e
from dd_tools.evaluation.measures.mouth import MatchedMouths, Mouth
from dd_tools.face.landmarks import INNER_LIPS, OUTER_LIPS

SIZE = 480
OPENINGS = 0.1, 0.2, 0.3, 0.2, 0.1, 0.4


def flat(colour: tuple[int, int, int], opening: float = 0.2) -> FaceFrame:
    return FaceFrame(np.full((96, 96, 3), colour, np.uint8), dummy_face_landmarks(opening=opening))


def large(opening: float = 0.3) -> FaceFrame:
    landmarks = dummy_face_landmarks(opening=opening) * np.float32(SIZE / 96)
    return FaceFrame(dummy_face(landmarks, SIZE), landmarks)


def difference(truth: list[FaceFrame], generated: list[FaceFrame]) -> float:
    measure = MatchedMouths(LIP_COLOUR, lip_colour, mean_delta_e)
    for pair in zip(truth, generated, strict=True):
        measure.add(FramePair(*pair))
    return measure.results()[0]


@pytest.mark.parametrize(
    ("colour", "lab"),
    [((255, 255, 255), (100, 0, 0)), ((0, 0, 0), (0, 0, 0)), ((255, 0, 0), (53.24, 80.09, 67.20))],
)
def test_colours_are_cielab(colour, lab):
    assert lip_colour(Mouth(flat(colour))) == pytest.approx(lab, abs=0.1)


def test_the_mean_is_that_of_the_converted_pixels():
    frame = large()
    noise = np.random.default_rng(0).integers(0, 256, frame.pixels.shape, np.uint8)
    mouth = Mouth(FaceFrame(noise, frame.landmarks))
    lips = mouth.inside(OUTER_LIPS) & ~mouth.inside(INNER_LIPS)
    assert lip_colour(mouth) == pytest.approx(rgb2lab(mouth.pixels)[lips].mean(0), abs=0.1)


@pytest.mark.parametrize(("one", "other"), [((180, 80, 90), (150, 90, 90)), ((90, 40, 50), (200, 160, 150))])
def test_difference_is_scikit_images(one, other):
    expected = deltaE_cie76(*(rgb2lab(np.uint8([[colour]])) for colour in (one, other))).item()
    assert difference([flat(one)] * 3, [flat(other)] * 3) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("lightness", "red", "yellow", "expected"), [(0, 12, 5, 13), (-8, 0, 6, 10), (0, 0, 0, 0)])
def test_tinted_lips_differ_by_the_tint(lightness, red, yellow, expected):
    natural, tinted = (
        tuple(np.rint(255 * lab2rgb([[lab]])[0, 0]).astype(int))
        for lab in ((60.0, 20.0, 10.0), (60.0 + lightness, 20.0 + red, 10.0 + yellow))
    )
    truth = [flat(natural, opening) for opening in OPENINGS]
    assert difference(truth, [flat(tinted, opening) for opening in OPENINGS]) == pytest.approx(expected, abs=0.5)


def test_only_lips_count():
    frame = large()
    outer, inner = (
        cv2.fillPoly(np.zeros((SIZE, SIZE), np.uint8), [np.rint(frame.landmarks[part]).astype(np.int32)], 1)
        for part in (OUTER_LIPS, INNER_LIPS)
    )
    near = np.ones((13, 13), np.uint8)
    elsewhere = (cv2.dilate(outer, near) == 0) | (cv2.erode(inner, near) == 1)
    assert cv2.erode(inner, near).any()
    painted = np.where(elsewhere[..., None], np.uint8([0, 255, 0]), frame.pixels)
    tinted = np.where(elsewhere[..., None], frame.pixels, np.uint8([90, 60, 120]))
    before, after, other = (
        lip_colour(Mouth(FaceFrame(pixels, frame.landmarks))) for pixels in (frame.pixels, painted, tinted)
    )
    assert before.tolist() == after.tolist()
    assert np.abs(before - other).max() > 10


def test_colour_that_depends_on_the_aperture_is_no_difference():
    colours = {0.1: (150, 60, 70), 0.4: (190, 100, 100)}
    truth = [flat(colours[opening], opening) for opening in [0.1] * 5 + [0.4] * 5]
    assert difference(truth, truth[::-1]) == 0
    assert difference(truth, truth[:1] * 10) == 0
    assert difference(truth[:5] * 2, truth) > 5


def test_identical_lips_have_no_difference():
    frames = [flat((170, 60, 70), opening) for opening in OPENINGS]
    assert difference(frames, frames) == pytest.approx(0, abs=1e-4)


def test_lips_without_a_pixel_are_skipped():
    flattened = dummy_face_landmarks()
    flattened[48:] = flattened[48]
    nothing = FaceFrame(np.zeros((96, 96, 3), np.uint8), flattened)
    assert lip_colour(Mouth(nothing)) is None
    assert math.isnan(difference([nothing], [nothing]))
