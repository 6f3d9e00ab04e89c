"""LMD against literal values."""

import numpy as np
import pytest
from factories import dummy_face_landmarks

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.lmd import aligned_lmd, raw_lmd

BLANK = np.zeros((256, 256, 3), np.uint8)


def pair(truth: np.ndarray | None, generated: np.ndarray | None) -> FramePair:
    return FramePair(FaceFrame(BLANK, truth), FaceFrame(BLANK, generated))


def test_a_shifted_mouth_counts_unless_mouths_are_aligned():
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


def test_pixels_are_those_of_a_frame_of_256():
    face = dummy_face_landmarks()
    large = np.zeros((512, 768, 3), np.uint8)
    assert raw_lmd(FramePair(FaceFrame(large, face), FaceFrame(large, face + np.float32([3, 4])))) == pytest.approx(2.5)


@pytest.mark.parametrize("frame", [pair(dummy_face_landmarks(), None), pair(None, dummy_face_landmarks())])
def test_without_both_faces_nothing_is_measured(frame):
    assert (raw_lmd(frame), aligned_lmd(frame)) == (None, None)
