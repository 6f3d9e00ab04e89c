"""Jitter against its definition on whole arrays, and where it must be 0, 1 and 2."""

import math

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_marked_face

from dd_tools.evaluation.frames import FramePair, Picture
from dd_tools.evaluation.temporal import Jitter

LANDMARKS = dummy_face_landmarks()


def jitter_of(truth: list[np.ndarray], generated: list[np.ndarray]) -> float:
    measure = Jitter()
    for true, made in zip(truth, generated, strict=True):
        measure.add(FramePair(Picture(true, LANDMARKS), Picture(made, LANDMARKS)))
    return measure.results()[0]


def flickering(sigma: float, count: int = 8, seed: int = 0) -> list[np.ndarray]:
    noise = np.random.default_rng(seed).normal(0, sigma, (count, 96, 96, 3))
    return list(np.clip(np.rint(128 + noise), 0, 255).astype(np.uint8))


def test_frozen_is_0_alike_is_1_twice_the_noise_is_2():
    truth = flickering(15)
    assert jitter_of(truth, [truth[0]] * len(truth)) == 0
    assert jitter_of(truth, truth) == 1
    assert jitter_of(truth, flickering(30, seed=1)) == pytest.approx(2, rel=0.02)


def test_steady_change_is_no_jitter():
    ramp = [np.full((96, 96, 3), 20 + 10 * index, np.uint8) for index in range(8)]
    assert jitter_of(flickering(15), ramp) == 0


def test_is_the_ratio_of_mean_second_differences():
    truth, generated = flickering(15), flickering(20, seed=2)
    box = FramePair(Picture(truth[0], LANDMARKS), Picture(truth[0], LANDMARKS)).lower_face
    left, top, right, bottom = np.rint(box * 96).astype(int)
    faces = [np.array(video, float)[:, top:bottom, left:right] for video in (truth, generated)]
    rough, made = (np.abs(np.diff(face, n=2, axis=0)).mean() for face in faces)
    assert jitter_of(truth, generated) == pytest.approx(made / rough)


def test_two_frames_or_a_still_truth_have_none():
    still = [dummy_marked_face()] * 4
    assert math.isnan(jitter_of(flickering(15)[:2], flickering(15)[:2]))
    assert math.isnan(jitter_of(still, flickering(15, 4)))
