"""Jitter in cases in which its value is known."""

import math

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_marked_face

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.jitter import Jitter

LANDMARKS = dummy_face_landmarks()


def jitter_of(truth: list[np.ndarray], generated: list[np.ndarray]) -> float:
    measure = Jitter()
    for true, other in zip(truth, generated, strict=True):
        measure.add(FramePair(FaceFrame(true, LANDMARKS), FaceFrame(other, LANDMARKS)))
    return measure.results()[0]


def flickering(sigma: float, count: int = 8, seed: int = 0) -> list[np.ndarray]:
    noise = np.random.default_rng(seed).normal(0, sigma, (count, 96, 96, 3))
    return list(np.clip(np.rint(128 + noise), 0, 255).astype(np.uint8))


def test_frozen_is_0_equal_is_1_twice_the_noise_is_2():
    truth = flickering(15)
    assert jitter_of(truth, [truth[0]] * len(truth)) == 0
    assert jitter_of(truth, truth) == 1
    assert jitter_of(truth, flickering(30, seed=1)) == pytest.approx(2, rel=0.02)


def test_steady_change_is_no_jitter():
    ramp = [np.full((96, 96, 3), 20 + 10 * index, np.uint8) for index in range(8)]
    assert jitter_of(flickering(15), ramp) == 0


def alternating(step: int, part: slice = slice(None)) -> list[np.ndarray]:
    """Grey frames, every second one of them `step` levels brighter in some of the rows."""
    frames = [np.full((96, 96, 3), 100, np.uint8) for _ in range(8)]
    for frame in frames[::2]:
        frame[part] += np.uint8(step)
    return frames


def test_half_the_flicker_is_a_half():
    assert jitter_of(alternating(8), alternating(4)) == 0.5


def test_only_the_lower_face_counts():
    frame = FaceFrame(alternating(0)[0], LANDMARKS)
    top = round(FramePair(frame, frame).lower_face[1] * 96)
    assert jitter_of(alternating(8), alternating(8, slice(0, top))) == 0
    assert jitter_of(alternating(8), alternating(8, slice(top, 96))) == 1


def test_two_frames_or_a_still_truth_have_none():
    still = [dummy_marked_face()] * 4
    assert math.isnan(jitter_of(flickering(15)[:2], flickering(15)[:2]))
    assert math.isnan(jitter_of(still, flickering(15, 4)))
