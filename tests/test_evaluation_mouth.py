"""The mouth of a frame, and which true mouths generated ones are compared with."""

import math

import cv2
import numpy as np
import pytest
from factories import dummy_face_landmarks
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.measures.mouth import MATCHES, MatchedMouths, Mouth, most_similar, relative_aperture
from dd_tools.face.affine import transform
from dd_tools.face.landmarks import OUTER_LIPS

LABEL = Label("x", "X", "", Better.LOWER, 2, "")
APERTURES = st.lists(st.integers(0, 30).map(float), min_size=1, max_size=20).map(np.array)


def frame(opening: float, level: int = 0, size: int = 96) -> FaceFrame:
    return FaceFrame(np.full((size, size, 3), level, np.uint8), dummy_face_landmarks(opening=opening) * (size / 96))


@pytest.mark.parametrize("angle", [0, 30])
@pytest.mark.parametrize("scale", [0.5, 4])
def test_aperture_is_measured_in_interocular_distances(scale, angle):
    similarity = cv2.getRotationMatrix2D((0, 0), angle, scale) + np.array([[0, 0, 7], [0, 0, -5]])
    closed, opened = (transform(dummy_face_landmarks(opening=opening), similarity) for opening in (0, 0.25))
    assert relative_aperture(opened) - relative_aperture(closed) == pytest.approx(0.25, abs=1e-6)


def test_pixels_inside_a_polygon_are_those_of_its_area():
    face = frame(0.3, size=400)
    x, y = face.landmarks[OUTER_LIPS].T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    left, top, right, bottom = face.lower_face * 400
    inside = Mouth(face).inside(OUTER_LIPS)
    assert inside.shape == (256, 256)
    assert inside.sum() == pytest.approx(area * 256 / (right - left) * 256 / (bottom - top), rel=0.005)
    # Their centre is that of the polygon, in pixels of the frame.
    centre = (np.argwhere(inside).mean(0)[::-1] + 0.5) / 256 * (right - left, bottom - top) + (left, top) - 0.5
    outline = np.zeros((400, 400), np.uint8)
    cv2.fillPoly(outline, [np.rint(face.landmarks[OUTER_LIPS]).astype(np.int32)], 1)
    assert centre == pytest.approx(np.argwhere(outline).mean(0)[::-1], abs=1)


@settings(max_examples=200, deadline=None)
@given(APERTURES, APERTURES)
def test_the_most_similar_are_those_that_sorting_finds(candidates, values):
    found = most_similar(candidates, values)
    assert found.shape == (len(values), min(MATCHES, len(candidates)))
    for value, indices in zip(values, found, strict=True):
        assert len(set(indices)) == len(indices)
        nearest = np.sort(np.abs(candidates - value))[:MATCHES]
        assert np.sort(np.abs(candidates[indices] - value)).tolist() == nearest.tolist()


def measured(truth: list[FaceFrame], generated: list[FaceFrame]) -> tuple[np.ndarray, np.ndarray] | None:
    """The brightness of generated mouths and of their true matches."""
    seen = []
    measure = MatchedMouths(
        LABEL,
        lambda mouth: (mouth.pixels.mean(),) if mouth.pixels.any() else None,
        lambda generated, truth: seen.append((generated[:, 0].tolist(), truth[:, 0].tolist())) or 0.0,
    )
    for pair in zip(truth, generated, strict=True):
        measure.add(FramePair(*pair))
    (value,) = measure.results()
    assert math.isnan(value) == (not seen)
    return seen[0] if seen else None


def test_mouths_are_compared_with_those_open_as_far():
    truth = [*(frame(0.1 + 0.001 * n, 10 + n) for n in range(6)), *(frame(0.4 + 0.001 * n, 20 + n) for n in range(6))]
    generated = [frame(0.402, 7), frame(0.1, 9), *(frame(0.405, 8) for _ in range(10))]
    brightness, matches = measured(truth, generated)
    assert brightness == [7, 9, *[8] * 10]
    assert matches == pytest.approx([22, 12, *[23] * 10])


def test_a_short_clip_has_fewer_matches():
    assert measured([frame(0.1, 10), frame(0.4, 20)], [frame(0.1, 9), frame(0.4, 8)]) == ([9, 8], [15, 15])


def test_faces_missing_on_one_side_are_still_used_on_the_other():
    blind, outside = FaceFrame(np.zeros((96, 96, 3), np.uint8), None), frame(0.1, 5)
    outside = FaceFrame(outside.pixels, outside.landmarks + 200)
    assert measured([frame(0.1, 10), blind, frame(0.1, 20)], [blind, frame(0.1, 9), outside]) == ([9], [15])
    assert measured([blind], [frame(0.1, 10)]) is None
    assert measured([frame(0.1, 10)], [frame(0.1, 0)]) is None


def test_registered_frames_are_measured_as_decoded():
    warped = FaceFrame(np.zeros((96, 96, 3), np.uint8), dummy_face_landmarks(), original=frame(0.1, 9, size=192))
    assert measured([frame(0.1, 10)], [warped]) == ([9], [10])
