"""One person through a video: chosen once, followed, found again by place, never exchanged."""

import cv2
import numpy as np
import pytest
from factories import DummyPlay, dummy_face_at, shared_file
from skimage import data

from dd_tools.face.choice import most_prominent
from dd_tools.face.landmarks import open_detector
from dd_tools.face.tracking import PATIENCE, TRUST, track

SIZE = np.ptp(dummy_face_at(0), axis=0).max()


def middles(play: DummyPlay, choose=most_prominent) -> list[int | None]:
    found = track(play.scenes(), play, choose)
    return [None if face is None else round(face.mean(0)[0]) for face in found]


def test_a_moving_face_is_followed_past_a_resting_one():
    play = [[dummy_face_at(200 - 12 * step), dummy_face_at(80, 30, 0.8)] for step in range(16)]
    assert middles(DummyPlay(*play)) == [200 - 12 * step for step in range(16)]


def test_nobody_takes_the_speakers_place():
    other = dummy_face_at(200 + 1.2 * SIZE)
    play = [[dummy_face_at(200), other]] * TRUST + [[other]] * 4 + [[dummy_face_at(205), other]] * 2
    assert middles(DummyPlay(*play)) == [200] * TRUST + [None] * 4 + [205] * 2


def test_a_leap_within_reach_is_the_same_face_only_if_it_is_of_its_size():
    near = 200 + round(0.7 * SIZE)
    for scale, expected in [(1, near), (2.5, None), (0.4, None)]:
        play = [[dummy_face_at(200)]] * TRUST + [[dummy_face_at(near, scale=scale)]]
        assert middles(DummyPlay(*play)) == [200] * TRUST + [expected]


def test_of_two_within_reach_the_nearer_is_taken():
    play = [[dummy_face_at(200)]] * TRUST + [[], [dummy_face_at(200 + 0.8 * SIZE), dummy_face_at(200 - 0.6 * SIZE)]]
    assert middles(DummyPlay(*play))[TRUST:] == [None, round(200 - 0.6 * SIZE)]


def test_what_flashes_up_once_is_not_the_speaker():
    play = [[dummy_face_at(60, scale=0.5)], [], [dummy_face_at(250)], [dummy_face_at(251)]]
    assert middles(DummyPlay(*play)) == [60, None, 250, 251]


def test_the_choice_waits_for_the_first_face_and_can_be_made_otherwise():
    play = [[], [dummy_face_at(60), dummy_face_at(200)], [dummy_face_at(62), dummy_face_at(200)]]
    assert middles(DummyPlay(*play)) == [None, 200, 200]
    assert middles(DummyPlay(*play), choose=lambda faces, picture: 0) == [None, 60, 62]


def test_at_a_cut_the_choice_is_made_anew():
    here, there = dummy_face_at(200), dummy_face_at(320)
    play = DummyPlay(
        *[[here]] * 6, *[[there]] * 3, *[[]] * 2, *[[here]] * 2, shots=[0] * 6 + [1] * 3 + [2] * 2 + [3] * 2
    )
    assert middles(play) == [200] * 6 + [320] * 3 + [None] * 2 + [200] * 2
    assert middles(DummyPlay(*play.frames)) == [200] * 6 + [None] * 5 + [200] * 2


def test_nobody_may_be_chosen():
    play = DummyPlay([dummy_face_at(60)], [dummy_face_at(62), dummy_face_at(200)])
    assert middles(play, choose=lambda faces, picture: 1 if len(faces) > 1 else None) == [None, 200]


def test_while_there_is_no_face_thorough_searches_are_rare():
    play = DummyPlay(*[[dummy_face_at(200)]] * TRUST, *[[]] * (2 * PATIENCE + 1))
    assert middles(play) == [200] * TRUST + [None] * (2 * PATIENCE + 1)
    assert play.thorough[1:] == ([True] + [False] * (PATIENCE - 1)) * 2 + [True]


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("mediapipe")
    return open_detector("mediapipe")


def test_a_real_face_goes_and_comes_beside_another(detector):
    person = cv2.resize(data.astronaut()[40:240, 130:330], (160, 160), interpolation=cv2.INTER_AREA)
    frames = []
    for step in range(14):
        scene = np.full((240, 480, 3), 100, np.uint8)
        scene[40:160, 30:150] = cv2.resize(person[:, ::-1], (120, 120), interpolation=cv2.INTER_AREA)
        if not 6 <= step < 10:
            scene[40:200, 200 + 3 * step : 360 + 3 * step] = person
        frames.append(scene)
    found = list(track(((frame, 0) for frame in frames), detector, most_prominent))
    assert [face is None for face in found] == [6 <= step < 10 for step in range(14)]
    start = found[0].mean(0)
    for step in (5, 10, 13):
        np.testing.assert_allclose(found[step].mean(0) - start, (3 * step, 0), atol=1.5)


@pytest.mark.clips
def test_two_speakers_side_by_side_keep_apart(detector):
    from dd_tools.media.video import read_frames

    left, right = shared_file("data/heldout/grid_s34.mp4"), shared_file("data/heldout/grid_swiz3n.mp4")
    pairs = zip(read_frames(left), read_frames(right), range(20), strict=False)
    frames = [np.hstack([one.image, two.image]) for one, two, _ in pairs]
    for choose, side in (
        (lambda faces, _: int(faces[:, 30, 0].argmin()), 0),
        (lambda faces, _: int(faces[:, 30, 0].argmax()), 1),
    ):
        found = list(track(((frame, 0) for frame in frames), detector, choose))
        assert all(face is not None and face[:, 0].mean() // 360 == side for face in found)
