"""The lip apertures' correlation, amplitude ratio and delay; correlations against SciPy's."""

import math

import numpy as np
import pytest
from factories import dummy_face_landmarks
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.aperture import MAX_DELAY, LipAperture
from dd_tools.face.landmarks import lip_aperture

BLANK = np.zeros((256, 256, 3), np.uint8)


def pair(truth: np.ndarray | None, generated: np.ndarray | None) -> FramePair:
    return FramePair(FaceFrame(BLANK, truth), FaceFrame(BLANK, generated))


@pytest.mark.parametrize("frame", [pair(dummy_face_landmarks(), None), pair(None, dummy_face_landmarks())])
def test_without_both_faces_nothing_is_measured(frame):
    measure = LipAperture()
    measure.add(frame)
    assert all(map(math.isnan, measure.results()))


def mouth_opened_by(aperture: float) -> np.ndarray:
    face = np.zeros((68, 2))
    face[[67, 66, 65], 1] = aperture
    return face


def test_aperture_is_the_mean_distance_of_the_inner_lips():
    face = mouth_opened_by(4)
    face[66, 1] = 10
    assert lip_aperture(face) == pytest.approx(6)


def results_of(apertures: np.ndarray) -> tuple[float, ...]:
    measure = LipAperture()
    for truth, generated in apertures:
        face = None if np.isnan(generated) else mouth_opened_by(generated)
        measure.add(pair(mouth_opened_by(truth), face))
    return measure.results()


def correlation_of(apertures: np.ndarray) -> float:
    return results_of(apertures)[0]


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, (12, 2), elements=st.integers(0, 400).map(lambda n: n / 10)))
def test_correlation_is_pearsons_over_all_frames(apertures):
    found = correlation_of(apertures)
    if np.ptp(apertures, axis=0).min() > 0:
        assert found == pytest.approx(stats.pearsonr(*apertures.T).statistic, abs=1e-6)


def test_a_still_mouth_has_no_correlation():
    moving = np.linspace(1, 9, 12)
    assert math.isnan(correlation_of(np.stack([moving, np.full(12, 5.0)], -1)))


@pytest.mark.parametrize("delay", [-MAX_DELAY, -2, 0, 3, MAX_DELAY])
def test_the_delay_of_late_lips_is_found(delay):
    truth = np.random.default_rng(0).uniform(1, 9, 80)
    generated = 3 + 0.25 * np.roll(truth, delay)
    correlation, ratio, found, fit = results_of(np.stack([truth, generated], -1))
    assert (found, fit, ratio) == (delay, pytest.approx(1), pytest.approx(0.25))
    assert correlation == pytest.approx(stats.pearsonr(truth, generated).statistic)


def test_frames_without_a_face_are_gaps():
    truth = np.random.default_rng(0).uniform(1, 9, 80)
    generated = np.roll(truth, 2)
    generated[20:30] = np.nan
    _, _, found, fit = results_of(np.stack([truth, generated], -1))
    assert (found, fit) == (2, pytest.approx(1))


def test_a_short_clip_has_no_delay():
    moving = np.linspace(1, 9, 12)
    correlation, ratio, *delayed = results_of(np.stack([moving, 20 - 2 * moving], -1))
    assert (correlation, ratio) == (pytest.approx(-1), pytest.approx(2))
    assert all(map(math.isnan, delayed))
