"""Which frames of a clip are the references of a painted frame."""

import numpy as np
import pytest
from factories import dummy_clip, dummy_face_landmarks
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.face.landmarks import CHIN, MOUTH, MOUTH_REGION, lip_aperture
from dd_tools.formats.clip import Clip
from dd_tools.warp.latents import relative_to_crop
from dd_tools.warp.references import (
    MAX_CANDIDATES,
    MIN_GAP,
    MIN_SPACING,
    References,
    comparison_points,
    light_distance,
    lighting,
    nearest,
    point_distance,
)


@pytest.mark.parametrize(
    ("distance", "time", "candidates", "expected"),
    [
        ([3, 1, 2], 9, [0, 1, 2], [1, 2, 0]),
        ([3, 1, 2, 4], 9, [0, 1, 1.1, 2], [1, 0, 3]),  # 2 shows what 1 does
        ([0, 5, 4, 6], 0.2, [0, 2, 3, 4], [2, 1, 3]),  # 0 is the very mouth that is to be replaced
        ([0, 2, 2, 2], 0.04, [0, 1.04, 2, 3], [1, 2, 3]),  # and so it is when hardly any nearer than a second
        ([0, 5, 4, 6], 1.02, [0.04, 2.04, 3, 4], [2, 1, 3]),
        ([0, 0, 0], 0.3, [0, 0.3, 0.7], [2, 0, 1]),  # too short a clip: the farthest from it
        ([1], 0, [0], [0, 0, 0]),  # a still image
        ([2, 1], 9, [0, 1], [1, 0, 1]),
    ],
)
def test_the_nearest_candidates_literal(distance, time, candidates, expected):
    found = nearest(np.array([distance], float), np.array([time]), np.array(candidates), 3)
    assert found.tolist() == [expected]


def at_least(limit: float, seconds: float) -> bool:
    return abs(seconds) >= limit * (1 - 1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0, 10))
def test_in_a_long_clip_references_are_of_other_moments_and_none_is_more_similar(seed, count, time):
    """Against a slow search: one after another, the nearest of those that are far enough away in time."""
    random = np.random.default_rng(seed)
    times, distance = np.arange(250) / 25, random.random(250)
    expected: list[int] = []
    while len(expected) < count:
        free = [
            other
            for other in range(250)
            if at_least(MIN_GAP, times[other] - time)
            and all(at_least(MIN_SPACING, times[other] - times[one]) for one in expected)
        ]
        expected.append(min(free, key=lambda other: distance[other]))
    assert nearest(distance[None], np.array([time]), times, count).tolist() == [expected]


FACE = dummy_face_landmarks()  # in a crop of 96 px


def distance_to(face: np.ndarray) -> float:
    """Of FACE and another one."""
    return point_distance(*(comparison_points(points[None], 96) for points in (FACE, face))).item()


def moved(points: list[int], x: float, y: float = 0) -> np.ndarray:
    """FACE with some landmarks moved by so many shares of half the crop."""
    face = FACE.copy()
    face[points] += np.float32([x, y]) * 48
    return face


LIPS, HEAD = [*range(MOUTH.start, MOUTH.stop)], [*range(27, 48)]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (range(68), 0.1 + 0.1),  # head and mouth; the lips keep their shape
        (HEAD, 0.1),
        ([*HEAD, *range(6, 11), *LIPS], 0.2),
        ([CHIN], 0.1 / 25),
        ([*range(6), *range(11, 27)], 0.0),  # jaw by the ears and brows do not count
        # One of 20 lip points: in the shape it moves by 19 twentieths, all others by one.
        ([48], 0.1 / 25 + 2 * 0.1 * (0.95 + 19 * 0.05) / 20),
    ],
)
def test_the_distance_of_faces_of_which_landmarks_moved_by_a_tenth(points, expected):
    assert distance_to(moved(list(points), 0.1)) == pytest.approx(expected, abs=1e-6)
    assert distance_to(moved(list(points), 0.06, -0.08)) == pytest.approx(expected, abs=1e-6)


def test_the_shape_of_the_lips_counts_most():
    """Both lips lowered are nearer than the lower lip alone, which opens the mouth."""
    lower = [55, 56, 57, 58, 59, 65, 66, 67]
    assert distance_to(moved(LIPS, 0, 0.1)) < 0.7 * distance_to(moved(lower, 0, 0.1))


@given(st.integers(0, 2**32 - 1))
def test_point_distance_is_a_metric(seed):
    faces = [comparison_points(np.random.default_rng(seed + n).uniform(0, 96, (1, 68, 2)), 96) for n in range(3)]
    table = np.array([[point_distance(one, two).item() for two in faces] for one in faces])
    np.testing.assert_allclose(table, table.T)
    assert (np.diag(table) == 0).all() and table[0, 2] <= table[0, 1] + table[1, 2] + 1e-9


def test_lighting_is_compared_above_the_steady_mask():
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (2, 30, 30, 3), np.uint8)
    crops[1, :12] = crops[0, :12]  # two fifths of the crop
    first, same = lighting(crops)
    assert np.array_equal(first, same)
    crops[1, 11] = 255 - crops[1, 11]
    assert not np.array_equal(first, lighting(crops)[1])


@pytest.mark.parametrize(("level", "expected"), [(100, 0.0), (151, 51 / 127.5), (49, 51 / 127.5)])
def test_a_crop_that_is_darker_or_lighter_is_so_far_away(level, expected):
    crops = np.full((2, 30, 30, 3), 100, np.uint8)
    crops[1] = level
    first, second = lighting(crops)
    assert light_distance(first[None], second[None]).item() == pytest.approx(expected)


def test_the_side_from_which_light_falls_tells_crops_apart():
    crops = np.full((2, 30, 30, 3), 100, np.uint8)
    crops[0, :, :15], crops[1, :, 15:] = 200, 200
    first, second = lighting(crops)
    assert light_distance(first[None], second[None]).item() == pytest.approx(100 / 127.5)


def choose(clip: Clip, mouths: np.ndarray | None = None, count: int = 2) -> np.ndarray:
    """The references, as frames of the clip, of every frame; by default for the mouths that it has."""
    references = References(clip, count)
    if mouths is None:
        mouths = relative_to_crop(clip.landmarks[:, MOUTH_REGION], clip.size)
    frames = np.arange(clip.length)
    return references.frames[references.choose(frames, clip.pts, references.with_mouths(frames, mouths))]


def test_points_to_be_painted_are_those_of_the_frames_with_other_mouths(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=30)) as clip:
        frames = np.array([3, 20, 20])
        mouths = np.random.default_rng(0).normal(size=(3, 25, 2))
        found = References(clip, 2).with_mouths(frames, mouths)
        head = relative_to_crop(clip.landmarks[frames][:, HEAD], clip.size)
    np.testing.assert_allclose(found, np.concatenate([head, mouths], axis=1))


def test_candidates_are_from_all_over_a_clip_but_a_single_reference_is_the_first_frame(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=600, unusable=[0])) as clip:
        assert References(clip, 1).frames.tolist() == [1]
        assert (choose(clip, count=1) == 1).all()
        found = References(clip, 2).frames
    assert len(found) == MAX_CANDIDATES == 250
    assert (found[0], found[-1]) == (1, 599)
    assert set(np.diff(found)) == {2, 3}


def test_no_reference_is_from_within_a_second_and_two_of_a_frame_are_apart(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=125)) as clip:
        found = clip.pts[choose(clip, count=3)]
    assert np.abs(found - clip.pts[:, None]).min() >= MIN_GAP - 1e-6
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(found[:, one] - found[:, two]).min() >= MIN_SPACING - 1e-6


def test_references_are_as_open_as_the_motion_wants_not_as_the_frame_is(tmp_path):
    """A head that never moves, and lips that open and close."""
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=100)) as clip:
        clip.landmarks[:, HEAD] = clip.landmarks[0, HEAD]
        aperture = lip_aperture(clip.landmarks)
        for wanted in (aperture[:20].argmin(), aperture[:20].argmax()):
            mouth = relative_to_crop(clip.landmarks[[wanted]][:, MOUTH_REGION], clip.size)
            chosen = choose(clip, mouth.repeat(100, axis=0))
            error = np.abs(aperture[chosen] - aperture[wanted])
            assert error.mean() < 0.2 * np.abs(aperture - aperture[wanted]).mean()


def test_of_two_shots_of_a_face_the_one_in_the_same_light_is_chosen(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=150)) as clip:
        clip.frames = clip.frames[:]
        clip.frames[75:] = clip.frames[75:] // 2
        chosen = choose(clip)
    assert np.mean((chosen >= 75) == (np.arange(150) >= 75)[:, None]) > 0.95


def test_what_is_similar_for_one_frame_alone_is_not_chosen(tmp_path):
    """The landmarks of one frame jump to where they are in a far part of the clip, as a detector's do."""
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=100)) as clip:
        clip.landmarks[:] = clip.landmarks[0]
        clip.landmarks[80:] += 4
        clip.landmarks[30] += 2.2
        chosen = choose(clip)
    assert (chosen[:70] < 80).all()


@pytest.mark.parametrize(("light", "own"), [(0.5, True), (0.98, False)])
def test_another_shot_in_other_light_gives_no_references(tmp_path, light, own):
    """Shots of 0.8 s: all frames of one are too near in time, so in the same light those of other shots are taken."""
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=60, cuts=[20, 40])) as clip:
        clip.frames = clip.frames[:]
        clip.frames[20:40] = (clip.frames[20:40] * light).astype(np.uint8)
        chosen = choose(clip)
        assert set(clip.shot[chosen[20:40]].ravel()) == ({1} if own else {0, 2})
        assert not own or set(clip.shot[chosen[:20]].ravel()) == {2}


def test_a_shot_without_a_candidate_of_its_own_has_references_of_others(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=60, cuts=[20], unusable=range(22, 60))) as clip:
        clip.frames = clip.frames[:]
        clip.frames[20:] //= 2
        references = References(clip, 2)
        keep = references.frames < 20
        references.frames, references.images = references.frames[keep], references.images[keep]
        references.light = references.light[keep]
        frames = np.array([20, 21])
        assert references.choose(frames, clip.pts[frames], references.points[frames][:, :46]).max() < 20


def test_references_change_at_a_cut_at_once(tmp_path):
    """The head is elsewhere in the second half, in its first two frames not quite; without a cut these lag behind."""
    for cuts, late in (([100], 0), ([], 1)):
        with Clip(dummy_clip(tmp_path / "clip.h5", frames=200, cuts=cuts)) as clip:
            clip.landmarks[:] = clip.landmarks[0]
            clip.landmarks[100:102] += 2.4
            clip.landmarks[102:] += 4
            chosen = choose(clip)
        assert np.array_equal(chosen >= 100, np.repeat(np.arange(200) >= 100 + late, 2).reshape(200, 2))


def test_the_context_of_a_span_is_all_that_the_smoothing_reaches():
    pts = np.arange(100) / 20  # 0.24 s are four frames and a bit
    assert References.context(pts, slice(50, 60)) == slice(46, 64)
    assert References.context(pts, slice(0, 3)) == slice(0, 7)
    assert References.context(pts, slice(95, 100)) == slice(91, 100)
