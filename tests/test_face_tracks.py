"""All faces are tracked: side by side, across short gaps, not across cuts, no face twice."""

from pathlib import Path

import numpy as np
import pytest
from factories import DummyPlay, dummy_face_at

from dd_tools.errors import DataError
from dd_tools.face.tracking.face_tracks import (
    MAX_MISSES,
    PORTRAIT_SIZE,
    SEARCH_INTERVAL,
    THOROUGH_INTERVAL,
    FaceTrack,
    joined_landmarks,
    track_all_faces,
    tracks_by_number,
)
from dd_tools.face.tracking.matching import MIN_FRAMES

LEFT, RIGHT = dummy_face_at(80), dummy_face_at(300)


def tracks_of(*frames, shots=()) -> list[FaceTrack]:
    video = DummyPlay(*frames, shots=shots)
    return track_all_faces(video.scenes(), video)


def spans(tracks: list[FaceTrack]) -> list[tuple[int, int, int, int]]:
    """x of the first centre, first frame, last frame, number of frames."""
    return [(round(t.landmarks[0].mean(0)[0]), t.indices[0], t.indices[-1], len(t.indices)) for t in tracks]


def test_two_faces_side_by_side_are_two_tracks():
    video = [[LEFT + np.float32([2 * t, 0]), RIGHT - np.float32([t, 0])] for t in range(20)]
    one, other = tracks_of(*video)
    np.testing.assert_array_equal(one.landmarks, [faces[0] for faces in video])
    np.testing.assert_array_equal(other.landmarks, [faces[1] for faces in video])
    assert list(one.indices) == list(other.indices) == list(range(20))
    np.testing.assert_array_equal(one.latest, video[-1][0])
    assert one.portrait.shape == (PORTRAIT_SIZE, PORTRAIT_SIZE, 3)


def test_a_short_gap_is_bridged_between_searches_too():
    video = [[LEFT, RIGHT]] * 12 + [[LEFT]] * 3 + [[LEFT, RIGHT + np.float32([20, 0])]] * 6
    assert spans(tracks_of(*video)) == [(80, 0, 20, 21), (300, 0, 20, 18)]


def test_a_long_gap_ends_the_track():
    video = [[LEFT, RIGHT]] * 12 + [[LEFT]] * (MAX_MISSES + SEARCH_INTERVAL) + [[LEFT, RIGHT]] * 20
    left, first, second = spans(tracks_of(*video))
    assert left[3] == len(video)
    assert (first, second) == ((300, 0, 11, 12), (300, 80, len(video) - 1, len(video) - 80))


def test_tracks_end_at_a_cut():
    video = [[LEFT]] * 10 + [[LEFT, RIGHT]] * 8
    tracks = tracks_of(*video, shots=[0] * 10 + [1] * 8)
    assert [track.shot for track in tracks] == [0, 1, 1]
    assert spans(tracks) == [(80, 0, 9, 10), (80, 10, 17, 8), (300, 10, 17, 8)]


def test_new_faces_are_found_at_the_next_search():
    video = [[LEFT]] * (SEARCH_INTERVAL + 1) + [[LEFT, RIGHT]] * 30
    assert spans(tracks_of(*video))[1][:3] == (300, 2 * SEARCH_INTERVAL, len(video) - 1)


def test_a_brief_detection_is_dropped_unless_the_shot_is_as_short():
    video = [[LEFT, RIGHT]] * (MIN_FRAMES - 1) + [[LEFT]] * 20
    assert spans(tracks_of(*video)) == [(80, 0, len(video) - 1, len(video))]
    assert len(tracks_of([LEFT, RIGHT])) == 2


def test_a_face_never_has_two_tracks():
    """The right face passes behind the left one, and the detector continues with the left one."""
    video = [[LEFT, RIGHT - np.float32([30 * t, 0])] for t in range(8)] + [[LEFT]] * 40
    left, right = tracks_of(*video)
    assert len(left.indices) == len(video)
    assert len(right.indices) <= 8
    assert {tuple(face.mean(0).round()) for face in left.landmarks} == {tuple(LEFT.mean(0).round())}


def test_most_searches_are_not_thorough():
    video = DummyPlay(*[[LEFT, RIGHT]] * (THOROUGH_INTERVAL + 1))
    track_all_faces(video.scenes(), video)
    assert video.thorough == [True] + [False] * (THOROUGH_INTERVAL // SEARCH_INTERVAL - 1) + [True]


def test_a_video_without_faces_has_no_tracks():
    assert tracks_of(*[[]] * 12) == []
    assert track_all_faces(iter([]), DummyPlay()) == []


def track(indices, x: float, shot: int = 0) -> FaceTrack:
    result = FaceTrack(shot)
    for index in indices:
        result.add(index, np.zeros((200, 400, 3), np.uint8), dummy_face_at(x))
    return result


def test_faces_by_number():
    tracks = [track(range(5), 60), track(range(3, 9), 90), track(range(9, 12), 60, shot=1)]
    assert tracks_by_number(tracks, (1, 2), Path("v.mp4")) == tracks[1:]
    speaker = joined_landmarks(tracks[1:], 14)
    assert list(np.isfinite(speaker[:, 0, 0])) == [False] * 3 + [True] * 9 + [False] * 2
    np.testing.assert_array_equal(speaker[3:9], tracks[1].landmarks)
    with pytest.raises(DataError, match=r"no face 3 in 'v\.mp4', which has faces 0 to 2; see --list-faces"):
        tracks_by_number(tracks, (0, 3), Path("v.mp4"))
    with pytest.raises(DataError, match=r"no face 1 in 'v\.mp4', which has only face 0; see"):
        tracks_by_number(tracks[:1], (1,), Path("v.mp4"))
    with pytest.raises(DataError, match=r"faces 0, 1 of 'v\.mp4' appear in the same frame"):
        tracks_by_number(tracks, (0, 1), Path("v.mp4"))
