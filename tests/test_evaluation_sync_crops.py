"""The two published crops."""

import cv2
import numpy as np
import pytest
from factories import dummy_face_landmarks

from dd_tools.evaluation.frames import Picture
from dd_tools.evaluation.sync_crops import FaceTrack, WholeFrame, cut_face, face_box


def published_cut(image: np.ndarray, x: float, y: float, bs: float, cs: float = 0.4) -> np.ndarray:
    """The crop of SyncNet's run_pipeline.py."""
    bsi = int(bs * (1 + 2 * cs))
    frame = np.pad(image, ((bsi, bsi), (bsi, bsi), (0, 0)), "constant", constant_values=(110, 110))
    my, mx = y + bsi, x + bsi
    return frame[int(my - bs) : int(my + bs * (1 + 2 * cs)), int(mx - bs * (1 + cs)) : int(mx + bs * (1 + cs))]


@pytest.mark.parametrize("box", [(100, 80, 30), (5.5, 3.2, 40.7), (195, 148, 61)])
def test_the_cut_is_the_published_one_at_the_rim_too(box):
    image = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    assert np.array_equal(cut_face(image, np.array(box)), published_cut(image, *box))


def test_the_box_reaches_above_the_brows():
    landmarks = np.tile((50.0, 60.0), (68, 1))
    landmarks[0], landmarks[16], landmarks[8], landmarks[19] = (10, 60), (90, 60), (50, 120), (50, 40)
    assert face_box(landmarks).tolist() == [50, 70, 50]  # 40 to 120 and a quarter of that above: 20 to 120


def test_the_whole_frame_becomes_a_square_in_bgr():
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    [(pts, face)] = WholeFrame().add(Picture(image, None, 1.5))
    assert pts == 1.5
    assert np.array_equal(face, cv2.resize(image[..., ::-1].copy(), (224, 224)))


def test_a_track_keeps_still_when_one_frame_leaps_and_where_there_is_no_face():
    landmarks, image = dummy_face_landmarks(), np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    places = [landmarks] * 8 + [landmarks + 30, None] + [landmarks] * 8
    track = FaceTrack()
    faces = [one for index, place in enumerate(places) for one in track.add(Picture(image, place, index / 25))]
    faces += track.rest()
    assert [pts for pts, _ in faces] == [index / 25 for index in range(len(places))]
    expected = cv2.resize(cut_face(image, face_box(landmarks)), (224, 224))[..., ::-1]
    assert all(np.array_equal(face, expected) for _, face in faces)


def test_without_any_face_the_whole_frame_is_shown():
    image, track = np.zeros((40, 60, 3), np.uint8), FaceTrack()
    assert list(track.add(Picture(image, None))) == []
    [(_, face)] = track.rest()
    assert face.shape == (224, 224, 3)
