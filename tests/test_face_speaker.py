"""One speaker through a video: chosen once, followed, found again by position, never replaced by another face."""

import cv2
import numpy as np
import pytest
from factories import DummyPlay, dummy_face_at, shared_file
from skimage import data

from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.tracking.choosers import most_prominent
from dd_tools.face.tracking.matching import MIN_FRAMES
from dd_tools.face.tracking.speaker import THOROUGH_INTERVAL, track_speaker

SIZE = np.ptp(dummy_face_at(0), axis=0).max()


def centres(video: DummyPlay, choose=most_prominent) -> list[int | None]:
    found = track_speaker(video.scenes(), video, choose)
    return [None if face is None else round(face.mean(0)[0]) for face in found]


def test_a_moving_face_is_followed_past_a_still_one():
    video = [[dummy_face_at(200 - 12 * step), dummy_face_at(80, 30, 0.8)] for step in range(16)]
    assert centres(DummyPlay(*video)) == [200 - 12 * step for step in range(16)]


def test_no_other_face_replaces_the_speaker():
    other = dummy_face_at(200 + 1.2 * SIZE)
    video = [[dummy_face_at(200), other]] * MIN_FRAMES + [[other]] * 4 + [[dummy_face_at(205), other]] * 2
    assert centres(DummyPlay(*video)) == [200] * MIN_FRAMES + [None] * 4 + [205] * 2


def test_a_face_that_jumped_is_the_same_only_if_it_has_the_same_size():
    near = 200 + round(0.7 * SIZE)
    for scale, expected in [(1, near), (2.5, None), (0.4, None)]:
        video = [[dummy_face_at(200)]] * MIN_FRAMES + [[dummy_face_at(near, scale=scale)]]
        assert centres(DummyPlay(*video)) == [200] * MIN_FRAMES + [expected]


def test_of_two_candidates_the_nearer_is_the_speaker():
    far, near = dummy_face_at(200 + 0.8 * SIZE), dummy_face_at(200 - 0.6 * SIZE)
    video = [[dummy_face_at(200)]] * MIN_FRAMES + [[], [far, near]]
    assert centres(DummyPlay(*video))[MIN_FRAMES:] == [None, round(200 - 0.6 * SIZE)]


def test_a_single_detection_is_not_the_speaker():
    video = [[dummy_face_at(60, scale=0.5)], [], [dummy_face_at(250)], [dummy_face_at(251)]]
    assert centres(DummyPlay(*video)) == [60, None, 250, 251]


def test_the_speaker_is_chosen_in_the_first_frame_with_a_face():
    video = [[], [dummy_face_at(60), dummy_face_at(200)], [dummy_face_at(62), dummy_face_at(200)]]
    assert centres(DummyPlay(*video)) == [None, 200, 200]
    assert centres(DummyPlay(*video), choose=lambda faces, frame_size: 0) == [None, 60, 62]


def test_the_speaker_is_chosen_again_after_a_cut():
    here, there = dummy_face_at(200), dummy_face_at(320)
    video = DummyPlay(
        *[[here]] * 6, *[[there]] * 3, *[[]] * 2, *[[here]] * 2, shots=[0] * 6 + [1] * 3 + [2] * 2 + [3] * 2
    )
    assert centres(video) == [200] * 6 + [320] * 3 + [None] * 2 + [200] * 2
    assert centres(DummyPlay(*video.frames)) == [200] * 6 + [None] * 5 + [200] * 2


def test_a_rule_may_choose_no_face():
    video = DummyPlay([dummy_face_at(60)], [dummy_face_at(62), dummy_face_at(200)])
    assert centres(video, choose=lambda faces, frame_size: 1 if len(faces) > 1 else None) == [None, 200]


def test_while_the_face_is_missing_most_searches_are_not_thorough():
    video = DummyPlay(*[[dummy_face_at(200)]] * MIN_FRAMES, *[[]] * (2 * THOROUGH_INTERVAL + 1))
    assert centres(video) == [200] * MIN_FRAMES + [None] * (2 * THOROUGH_INTERVAL + 1)
    assert video.thorough[1:] == ([True] + [False] * (THOROUGH_INTERVAL - 1)) * 2 + [True]


@pytest.fixture(scope="module")
def detector():
    return open_detector()


def test_a_real_face_disappears_and_returns_beside_another(detector):
    person = cv2.resize(data.astronaut()[40:240, 130:330], (160, 160), interpolation=cv2.INTER_AREA)
    frames = []
    for step in range(14):
        scene = np.full((240, 480, 3), 100, np.uint8)
        scene[40:160, 30:150] = cv2.resize(person[:, ::-1], (120, 120), interpolation=cv2.INTER_AREA)
        if not 6 <= step < 10:
            scene[40:200, 200 + 3 * step : 360 + 3 * step] = person
        frames.append(scene)
    found = list(track_speaker(((frame, 0) for frame in frames), detector, most_prominent))
    assert [face is None for face in found] == [6 <= step < 10 for step in range(14)]
    start = found[0].mean(0)
    for step in (5, 10, 13):
        np.testing.assert_allclose(found[step].mean(0) - start, (3 * step, 0), atol=1.5)


@pytest.mark.clips
def test_two_speakers_side_by_side_are_not_confused(detector):
    from dd_tools.media.video import read_frames

    left, right = shared_file("data/heldout/grid_s34.mp4"), shared_file("data/heldout/grid_swiz3n.mp4")
    pairs = zip(read_frames(left), read_frames(right), range(20), strict=False)
    frames = [np.hstack([one.image, two.image]) for one, two, _ in pairs]
    for choose, side in (
        (lambda faces, _: int(faces[:, 30, 0].argmin()), 0),
        (lambda faces, _: int(faces[:, 30, 0].argmax()), 1),
    ):
        found = list(track_speaker(((frame, 0) for frame in frames), detector, choose))
        assert all(face is not None and face[:, 0].mean() // 360 == side for face in found)
