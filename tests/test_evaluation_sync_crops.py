"""The two published crops."""

import cv2
import numpy as np
import pytest
from factories import dummy_face_landmarks

from dd_tools.evaluation.frames import FaceFrame
from dd_tools.evaluation.measures.sync.crops import FaceCrop, WholeFrame, crop_face, face_box


def published_crop(pixels: np.ndarray, x: float, y: float, bs: float, cs: float = 0.4) -> np.ndarray:
    """The crop of SyncNet's run_pipeline.py."""
    bsi = int(bs * (1 + 2 * cs))
    frame = np.pad(pixels, ((bsi, bsi), (bsi, bsi), (0, 0)), "constant", constant_values=(110, 110))
    my, mx = y + bsi, x + bsi
    return frame[int(my - bs) : int(my + bs * (1 + 2 * cs)), int(mx - bs * (1 + cs)) : int(mx + bs * (1 + cs))]


@pytest.mark.parametrize("box", [(100, 80, 30), (5.5, 3.2, 40.7), (195, 148, 61)])
def test_the_crop_is_the_published_one_at_the_edge_too(box):
    pixels = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    assert np.array_equal(crop_face(pixels, np.array(box)), published_crop(pixels, *box))


def test_the_box_includes_the_forehead():
    landmarks = np.tile((50.0, 60.0), (68, 1))
    landmarks[0], landmarks[16], landmarks[8], landmarks[19] = (10, 60), (90, 60), (50, 120), (50, 40)
    assert face_box(landmarks).tolist() == [50, 70, 50]  # from 40 to 120, and a quarter of that above: 20 to 120


def test_the_whole_frame_becomes_a_square_in_bgr():
    pixels = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    [(pts, face)] = WholeFrame().add(FaceFrame(pixels, None, 1.5))
    assert pts == 1.5
    assert np.array_equal(face, cv2.resize(pixels[..., ::-1].copy(), (224, 224)))


def test_the_crop_ignores_an_outlier_and_a_frame_without_a_face():
    landmarks, pixels = dummy_face_landmarks(), np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    places = [landmarks] * 8 + [landmarks + 30, None] + [landmarks] * 8
    crop = FaceCrop()
    faces = [one for index, place in enumerate(places) for one in crop.add(FaceFrame(pixels, place, index / 25))]
    faces += crop.flush()
    assert [pts for pts, _ in faces] == [index / 25 for index in range(len(places))]
    expected = cv2.resize(crop_face(pixels, face_box(landmarks)), (224, 224))[..., ::-1]
    assert all(np.array_equal(face, expected) for _, face in faces)


def test_without_any_face_the_whole_frame_is_used():
    pixels, crop = np.zeros((40, 60, 3), np.uint8), FaceCrop()
    assert list(crop.add(FaceFrame(pixels, None))) == []
    [(_, face)] = crop.flush()
    assert face.shape == (224, 224, 3)
