"""Which pixels are compared, and in which units."""

import numpy as np
import pytest
from factories import dummy_face, dummy_face_landmarks, dummy_marked_face
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.frames import FULL, LOWER_FACE, MASK, SIZE, FaceFrame, FramePair, lower_face_box
from dd_tools.face.geometry import HEAD_SIDE, fit_poses, paper_mask, scale_of


def noise_frame(height: int, width: int, landmarks: np.ndarray | None, seed: int = 0) -> FaceFrame:
    return FaceFrame(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8), landmarks)


def test_lower_face_box_is_jaw_wide_and_nose_to_chin_with_a_margin():
    landmarks = np.full((68, 2), 50.0, np.float32)
    landmarks[0], landmarks[16], landmarks[8], landmarks[30] = (20, 40), (120, 40), (70, 150), (70, 80)
    assert lower_face_box(landmarks).tolist() == [10, 80, 130, 160]


def test_lower_face_region_is_that_box_in_whole_pixels():
    # A lower face of exactly 256 × 256 pixels is copied as it is.
    landmarks = np.full((68, 2), 150.0)
    landmarks[0], landmarks[16] = (100, 100), (100 + 255 / 1.2, 100)
    landmarks[30], landmarks[8] = (150, 50), (150, 50 + 255 * (1 - 0.1 / 1.2))
    left, top, right, bottom = lower_face_box(landmarks)
    assert (right - left, bottom - top) == pytest.approx((255, 255))
    landmarks -= (left - 79, top - 20)
    frame = noise_frame(400, 500, landmarks)
    region, _ = FramePair(frame, frame).region
    assert np.array_equal(region, frame.pixels[20 : 20 + SIZE, 79 : 79 + SIZE])


def test_box_is_clipped_to_the_frame_and_none_outside_it():
    landmarks = dummy_face_landmarks()
    low = FaceFrame(dummy_face(landmarks, 96), landmarks + np.float32([0, 20]))
    assert FramePair(low, low).lower_face[3] == 1
    outside = FaceFrame(low.pixels, landmarks + np.float32([0, 200]))
    pair = FramePair(outside, outside)
    assert pair.lower_face is None
    assert pair.region is None


@settings(max_examples=50, deadline=None)
@given(st.floats(-150, 150), st.floats(-150, 150))
def test_box_is_never_outside_the_frame(right, down):
    frame = FaceFrame(np.zeros((96, 96, 3), np.uint8), dummy_face_landmarks() + np.float32([right, down]))
    box = FramePair(frame, frame).lower_face
    assert box is None or ((box >= 0).all() and (box <= 1).all() and (box[:2] < box[2:]).all())


def test_generated_frame_of_another_size_is_cropped_at_the_same_place():
    landmarks = dummy_face_landmarks()
    small = dummy_face(landmarks, 96)
    large = small.repeat(3, 0).repeat(3, 1)
    truth, generated = FramePair(FaceFrame(small, landmarks), FaceFrame(large, None)).region
    # Blocks of 3 × 3 pixels and cubic interpolation differ at edges only; a crop half a pixel off differs everywhere.
    assert np.mean(np.abs(truth.astype(int) - generated) <= 2) > 0.9
    assert np.abs(truth.mean((0, 1)) - generated.mean((0, 1))).max() < 0.5


def test_landmarks_of_frames_of_different_size_agree_at_256_pixels():
    landmarks = dummy_face_landmarks()
    small, large = noise_frame(96, 160, landmarks), noise_frame(192, 320, (landmarks + 0.5) * 2 - 0.5)
    truth, generated = FramePair(small, large).landmarks
    assert np.allclose(truth, generated)
    assert np.allclose(truth, (landmarks + 0.5) * (256 / 96), rtol=5e-3)
    assert FramePair(small, large).resized[1].shape == (256, 427, 3)


def test_full_region_needs_no_face_and_others_do():
    frame = FaceFrame(dummy_marked_face(), None)
    assert FramePair(frame, frame, FULL).region[0].shape == (SIZE, SIZE, 3)
    assert FramePair(frame, frame, LOWER_FACE).region is None
    assert FramePair(frame, frame, MASK).region is None


def test_mask_region_is_the_paper_polygon_in_the_paper_framing():
    # In a frame that is framed as the paper's clips, the region is the whole frame and its mask the paper's.
    landmarks = dummy_face_landmarks().astype(np.float64)
    landmarks *= SIZE / HEAD_SIDE / scale_of(fit_poses(landmarks[None]))
    landmarks += (SIZE - 1) / 2 - (landmarks.min(0) + landmarks.max(0)) / 2
    frame = noise_frame(SIZE, SIZE, landmarks)
    pair = FramePair(frame, frame, MASK)
    assert np.array_equal(pair.region[0], frame.pixels)
    assert np.mean(pair.region_mask == paper_mask(landmarks, SIZE)) > 0.999
