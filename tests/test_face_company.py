"""Everybody is followed: side by side, past short misses, not past cuts, nobody twice."""

import numpy as np
from factories import DummyPlay, dummy_face_at

from dd_tools.face.company import GIVE_UP, LOOKOUT, PORTRAIT, THOROUGH_LOOKOUT, FaceTrack, follow_everybody
from dd_tools.face.tracking import TRUST

LEFT, RIGHT = dummy_face_at(80), dummy_face_at(300)


def tracks_of(*frames, shots=()) -> list[FaceTrack]:
    play = DummyPlay(*frames, shots=shots)
    return follow_everybody(play.scenes(), play)


def spans(tracks: list[FaceTrack]) -> list[tuple[int, int, int, int]]:
    """Middle at first, first frame, last frame, number of frames."""
    return [(round(t.landmarks[0].mean(0)[0]), t.frames[0], t.frames[-1], len(t.frames)) for t in tracks]


def test_two_side_by_side_are_two_tracks():
    play = [[LEFT + np.float32([2 * t, 0]), RIGHT - np.float32([t, 0])] for t in range(20)]
    one, other = tracks_of(*play)
    np.testing.assert_array_equal(one.landmarks, [faces[0] for faces in play])
    np.testing.assert_array_equal(other.landmarks, [faces[1] for faces in play])
    assert list(one.frames) == list(other.frames) == list(range(20))
    np.testing.assert_array_equal(one.last, play[-1][0])
    assert one.portrait.shape == (PORTRAIT, PORTRAIT, 3)


def test_a_short_miss_is_bridged_even_off_the_lookout():
    play = [[LEFT, RIGHT]] * 12 + [[LEFT]] * 3 + [[LEFT, RIGHT + np.float32([20, 0])]] * 6
    assert spans(tracks_of(*play)) == [(80, 0, 20, 21), (300, 0, 20, 18)]


def test_after_a_long_one_it_is_another_track():
    play = [[LEFT, RIGHT]] * 12 + [[LEFT]] * (GIVE_UP + LOOKOUT) + [[LEFT, RIGHT]] * 20
    left, first, second = spans(tracks_of(*play))
    assert left[3] == len(play)
    assert (first, second) == ((300, 0, 11, 12), (300, 80, len(play) - 1, len(play) - 80))


def test_no_track_outlives_a_cut():
    play = [[LEFT]] * 10 + [[LEFT, RIGHT]] * 8
    tracks = tracks_of(*play, shots=[0] * 10 + [1] * 8)
    assert [track.shot for track in tracks] == [0, 1, 1]
    assert spans(tracks) == [(80, 0, 9, 10), (80, 10, 17, 8), (300, 10, 17, 8)]


def test_newcomers_are_seen_at_the_next_lookout():
    play = [[LEFT]] * (LOOKOUT + 1) + [[LEFT, RIGHT]] * 30
    assert spans(tracks_of(*play))[1][:3] == (300, 2 * LOOKOUT, len(play) - 1)


def test_a_flash_is_nobody_unless_the_shot_is_as_short():
    assert spans(tracks_of(*[[LEFT, RIGHT]] * (TRUST - 1), *[[LEFT]] * 20)) == [(80, 0, TRUST + 18, TRUST + 19)]
    assert len(tracks_of([LEFT, RIGHT])) == 2


def test_one_face_is_never_two_tracks():
    """The right one walks out behind the left one; the mesh goes astray to the left one."""
    play = [[LEFT, RIGHT - np.float32([30 * t, 0])] for t in range(8)] + [[LEFT]] * 40
    left, right = tracks_of(*play)
    assert len(left.frames) == len(play)
    assert len(right.frames) <= 8
    assert {tuple(face.mean(0).round()) for face in left.landmarks} == {tuple(LEFT.mean(0).round())}


def test_searches_of_the_whole_picture_are_rare():
    play = DummyPlay(*[[LEFT, RIGHT]] * (THOROUGH_LOOKOUT + 1))
    follow_everybody(play.scenes(), play)
    assert play.thorough == [True] + [False] * (THOROUGH_LOOKOUT // LOOKOUT - 1) + [True]


def test_a_video_without_faces_has_no_tracks():
    assert tracks_of(*[[]] * 12) == []
    assert follow_everybody(iter([]), DummyPlay()) == []
