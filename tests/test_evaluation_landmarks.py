"""LMD by literal values; the correlation of apertures against numpy's."""

import math

import numpy as np
import pytest
from factories import dummy_face_landmarks
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dd_tools.evaluation.frames import FramePair, Picture
from dd_tools.evaluation.landmarks import MOST_DELAY, Aperture, aligned_lmd, raw_lmd
from dd_tools.face.landmarks import lip_aperture

BLANK = np.zeros((256, 256, 3), np.uint8)


def pair(truth: np.ndarray | None, generated: np.ndarray | None) -> FramePair:
    return FramePair(Picture(BLANK, truth), Picture(BLANK, generated))


def test_a_moved_mouth_costs_its_way_unless_mouths_are_aligned():
    face = dummy_face_landmarks()
    frame = pair(face, face + np.float32([3, 4]))
    assert raw_lmd(frame) == pytest.approx(5, abs=1e-5)
    assert aligned_lmd(frame) == pytest.approx(0, abs=1e-5)


def test_only_the_mouth_counts():
    face = dummy_face_landmarks()
    moved = face.copy()
    moved[:48] += 7
    assert raw_lmd(pair(face, moved)) == 0


@pytest.mark.parametrize(("lmd", "expected"), [(raw_lmd, 10 / 20), (aligned_lmd, (9.5 + 19 * 0.5) / 20)])
def test_one_point_of_twenty_ten_pixels_off(lmd, expected):
    face = dummy_face_landmarks()
    moved = face.copy()
    moved[57, 1] += 10
    assert lmd(pair(face, moved)) == pytest.approx(expected, abs=1e-5)


def test_pixels_are_those_of_a_picture_of_256():
    face = dummy_face_landmarks()
    large = np.zeros((512, 768, 3), np.uint8)
    assert raw_lmd(FramePair(Picture(large, face), Picture(large, face + np.float32([3, 4])))) == pytest.approx(2.5)


@pytest.mark.parametrize("frame", [pair(dummy_face_landmarks(), None), pair(None, dummy_face_landmarks())])
def test_without_both_faces_nothing_is_measured(frame):
    aperture = Aperture()
    aperture.add(frame)
    assert (raw_lmd(frame), aligned_lmd(frame)) == (None, None)
    assert all(map(math.isnan, aperture.results()))


def mouth_opened_by(aperture: float) -> np.ndarray:
    face = np.zeros((68, 2))
    face[[67, 66, 65], 1] = aperture
    return face


def test_aperture_is_the_mean_distance_of_the_inner_lips():
    face = mouth_opened_by(4)
    face[66, 1] = 10
    assert lip_aperture(face) == pytest.approx(6)


def results_of(apertures: np.ndarray) -> tuple[float, ...]:
    measure = Aperture()
    for truth, generated in apertures:
        face = None if np.isnan(generated) else mouth_opened_by(generated)
        measure.add(pair(mouth_opened_by(truth), face))
    return measure.results()


def correlation_of(apertures: np.ndarray) -> float:
    return results_of(apertures)[0]


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, (12, 2), elements=st.integers(0, 400).map(lambda n: n / 10)))
def test_correlation_is_pearsons_over_all_frames(apertures):
    streamed = correlation_of(apertures)
    if np.ptp(apertures, axis=0).min() > 0:
        assert streamed == pytest.approx(np.corrcoef(apertures.T)[0, 1], abs=1e-6)


def test_a_mouth_that_never_moves_has_no_correlation():
    moving = np.linspace(1, 9, 12)
    assert math.isnan(correlation_of(np.stack([moving, np.full(12, 5.0)], -1)))
    assert correlation_of(np.stack([moving, 20 - 2 * moving], -1)) == pytest.approx(-1)


@pytest.mark.parametrize("delay", [-MOST_DELAY, -2, 0, 3, MOST_DELAY])
def test_lips_that_come_later_are_found_out(delay):
    truth = np.random.default_rng(0).uniform(1, 9, 80)
    generated = 3 + 0.25 * np.roll(truth, delay)
    together, ratio, found, fit = results_of(np.stack([truth, generated], -1))
    assert (found, fit, ratio) == (delay, pytest.approx(1), pytest.approx(0.25))
    assert together == pytest.approx(np.corrcoef(truth, generated)[0, 1])


def test_frames_without_a_face_are_gaps_that_keep_their_time():
    truth = np.random.default_rng(0).uniform(1, 9, 80)
    generated = np.roll(truth, 2)
    generated[20:30] = np.nan
    _, _, found, fit = results_of(np.stack([truth, generated], -1))
    assert (found, fit) == (2, pytest.approx(1))


def test_a_short_clip_has_no_delay():
    apertures = np.random.default_rng(0).uniform(1, 9, (12, 2))
    together, ratio, *delayed = results_of(apertures)
    assert together == pytest.approx(np.corrcoef(apertures.T)[0, 1])
    assert ratio == pytest.approx(apertures[:, 1].std() / apertures[:, 0].std())
    assert all(map(math.isnan, delayed))
