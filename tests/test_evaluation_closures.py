"""Lip closures of hand-made tracks, in which ``x`` are closed lips, ``.`` open ones, and ``?`` no face."""

import math

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_pose
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.aperture import MAX_DELAY
from dd_tools.evaluation.measures.closures import Closures, closures
from dd_tools.face.geometry import scale_of

BLANK = np.zeros((96, 96, 3), np.uint8)
APERTURES = {"x": 0.029, ".": 0.031, "?": math.nan}
TRACKS = st.text("xx...?", min_size=1, max_size=40)
NONE = pytest.approx(math.nan, nan_ok=True)


def face(aperture: float, index: int, fps: float = 25.0) -> FaceFrame:
    """A face with an aperture in interocular distances; NaN hides it."""
    landmarks = dummy_face_landmarks()
    landmarks[[67, 66, 65]] = landmarks[[61, 62, 63]] + np.float32([0, aperture * scale_of(dummy_pose())])
    return FaceFrame(BLANK, None if math.isnan(aperture) else landmarks, index / fps)


def results_of(truth: list[float], generated: list[float], fps: float = 25.0) -> tuple[float, ...]:
    measure = Closures()
    for index, (true, other) in enumerate(zip(truth, generated, strict=True)):
        measure.add(FramePair(face(true, index, fps), face(other, index, fps)))
    return measure.results()


def shares(truth: str, generated: str, fps: float = 25.0) -> tuple[float, ...]:
    return results_of([APERTURES[one] for one in truth], [APERTURES[one] for one in generated], fps)


@pytest.mark.parametrize(
    ("truth", "generated", "recall", "precision"),
    [
        ("..xx....xx..", "..xx....xx..", 1, 1),
        ("..xx....xx..", "..xx........", 1 / 2, 1),
        ("..xx........", "..xx....xx..", 1, 1 / 2),
        ("x...x...x..x", "...........x", 1 / 4, 1),
        # One frame early or late is still at the closure, two are not.
        ("..xx....", "....x...", 1, 1),
        ("..xx....", ".x......", 1, 1),
        ("..xx....", ".....x..", 0, 0),
        ("..xx....", "x.......", 0, 0),
        # One long closure matches several short ones.
        ("..x.x.x..", "..xxxxx..", 1, 1),
        # Lips that stay closed match everything and close nowhere.
        ("..x.....x.....", "x" * 14, 1, math.nan),
        # Without closures.
        ("........", "..x.....", math.nan, 0),
        ("..x.....", "........", 0, math.nan),
        ("........", "........", math.nan, math.nan),
        # Frames without a face end a closure, are not closed, and leave out what cannot be compared with them.
        ("..x?x...", "..x.....", 1 / 2, 1),
        ("..x.....x..", "..x.....?..", 1, 1),
        ("..x.....x..", "..x....x?..", 1, 1),
        ("..x.....xx.", "..x.....?..", 1 / 2, 1),
        ("..x????????", "..x.....x..", 1, 1),
        ("????", "x..x", math.nan, math.nan),
    ],
)  # fmt: skip
def test_shares_of_matched_closures(truth, generated, recall, precision):
    assert shares(truth, generated) == (pytest.approx(recall, nan_ok=True), pytest.approx(precision, nan_ok=True))


@pytest.mark.parametrize(("fps", "longest"), [(20, 10), (24, 12), (25, 12), (30, 15), (60, 30)])
def test_lips_closed_for_more_than_half_a_second_are_at_rest(fps, longest):
    for length, recall in ((longest, 1), (longest + 1, math.nan)):
        truth = "." + length * "x" + "."
        generated = ".x".ljust(len(truth), ".")
        assert shares(truth, generated, fps) == (pytest.approx(recall, nan_ok=True), 1)
    assert shares("." + longest * "x", "." + longest * "x", fps) == (1, 1)
    assert shares("." + (longest + 1) * "x", "." + (longest + 1) * "x", fps) == (NONE, NONE)


def test_closures_are_timed_by_the_frames():
    apertures = np.array([1, 0, 0, 1, 0, 0, 1, 0])
    assert [*closures(apertures, np.arange(8) / 25)] == [(1, 3), (4, 6), (7, 8)]
    slow = np.array([0, 1, 2, 3, 4, 4.1, 4.2, 4.3]) / 3  # the first closure lasts 2/3 s, the second 0.37 s
    assert [*closures(apertures, slow)] == [(4, 6), (7, 8)]
    assert [*closures(np.zeros(1), np.zeros(1))] == [(0, 1)]
    rounded = np.round(np.arange(20) / 30, 3) + 1000  # as in Matroska
    assert [*closures(np.array([1, *np.zeros(15), 1, 1, 1, 1]), rounded)] == [(1, 16)]


@settings(max_examples=60, deadline=None)
@given(TRACKS)
def test_a_video_closes_its_lips_where_it_does(track):
    assert shares(track, track) in [(1, 1), (NONE, NONE)]


@settings(max_examples=60, deadline=None)
@given(TRACKS, st.data())
def test_precision_is_the_recall_of_the_exchanged_videos(track, data):
    other = data.draw(st.text("xx...?", min_size=len(track), max_size=len(track)))
    assert shares(track, other) == pytest.approx(shares(other, track)[::-1], nan_ok=True)


@pytest.mark.parametrize("delay", [-MAX_DELAY, -3, 0, 4, MAX_DELAY])
def test_late_lips_are_compared_at_their_delay(delay):
    track = np.random.default_rng(2).uniform(0, 0.2, 100)
    truth, generated = track[10:90], track[10 - delay : 90 - delay]
    assert results_of(truth, generated) == (1, 1)
    # Clips too short for a delay are compared as they are.
    if delay:
        assert max(results_of(truth[:40], generated[:40])) < 1


def test_apertures_do_not_depend_on_the_size_of_the_face():
    closed, large = face(0.02, 0), face(0.02, 0)
    measure = Closures()
    measure.add(FramePair(closed, FaceFrame(BLANK, large.landmarks * 4)))
    assert measure.results() == (1, 1)
