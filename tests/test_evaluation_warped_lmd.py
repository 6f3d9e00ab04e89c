"""LMD after soft-DTW: against all paths of tiny sequences, and properties of real lengths."""

import math
import tracemalloc

import numpy as np
import pytest
from factories import dummy_face_landmarks
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.aperture import MAX_DELAY
from dd_tools.evaluation.measures.lmd import ALIGNED, RAW, aligned_lmd, raw_lmd
from dd_tools.evaluation.measures.time_warping import band, warped_mean
from dd_tools.evaluation.measures.warped_lmd import GAMMA, WarpedLmd, landmark_distance

BLANK = np.zeros((256, 256, 3), np.uint8)
SEQUENCES = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=5)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one - other)


def paths(count: int, radius: int, end: tuple[int, int] | None = None) -> list[list[tuple[int, int]]]:
    """All paths from (0, 0) to the `end`, by definition."""
    i, j = end or (count - 1, count - 1)
    if min(i, j) < 0 or abs(i - j) > radius:
        return []
    if (i, j) == (0, 0):
        return [[(0, 0)]]
    return [[*path, (i, j)] for step in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) for path in paths(count, radius, step)]


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.integers(0, 5), st.sampled_from([0.05, 0.3, 2]))
def test_the_mean_over_all_paths(pairs, radius, gamma):
    one, other = np.array(pairs).T
    every = paths(len(pairs), radius)
    sums = np.array([sum(abs(one[i] - other[j]) for i, j in path) for path in every])
    lengths = np.array([len(path) for path in every])
    weights = np.exp(-(sums - sums.min()) / gamma)
    expected = (weights * sums).sum() / (weights * lengths).sum()
    assert warped_mean(band(one, other, radius, difference), gamma) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_known_path():
    """The best path matches the two zeros with one, and the one with two: lengths may differ locally."""
    one, other = np.array([0, 0, 1, 5.0]), np.array([0, 1, 1, 5.5])
    assert warped_mean(band(one, other, 1, difference), 1e-3) == pytest.approx(0.5 / 5)
    assert warped_mean(band(one, other, 0, difference), 1e-3) == pytest.approx((1 + 0.5) / 4)


def moving(count: int, seed: int = 0) -> list[np.ndarray]:
    """Faces whose mouths change smoothly by several pixels."""
    random = np.random.default_rng(seed)
    face = dummy_face_landmarks()
    ways = np.apply_along_axis(np.convolve, 0, random.normal(0, 1, (count + 8, 20, 2)), np.ones(9) / 3, "valid")
    faces = [face.copy() for _ in range(count)]
    for one, way in zip(faces, ways, strict=True):
        one[48:] += np.float32(4 * way)
    return faces


def pairs_of(truth: list, generated: list) -> list[FramePair]:
    return [
        FramePair(FaceFrame(BLANK, true), FaceFrame(BLANK, other)) for true, other in zip(truth, generated, strict=True)
    ]


def distances(truth: list, generated: list, kind: str = ALIGNED) -> tuple[float, float]:
    """LMD-DTW and LMD."""
    measure, plain = WarpedLmd(kind), []
    for pair in pairs_of(truth, generated):
        measure.add(pair)
        plain.append((aligned_lmd if kind == ALIGNED else raw_lmd)(pair))
    [warped] = measure.results()
    return warped, float(np.mean([one for one in plain if one is not None]))


def test_identical_videos():
    warped, plain = distances(moving(60), moving(60))
    assert plain == 0
    assert 0 <= warped < GAMMA


@pytest.mark.parametrize("kind", [ALIGNED, RAW])
def test_it_is_at_most_the_lmd(kind):
    warped, plain = distances(moving(60), moving(60, seed=1), kind)
    assert 0.3 * plain < warped < plain + GAMMA


@pytest.mark.parametrize("delay", [-MAX_DELAY, -2, 1, MAX_DELAY])
def test_a_delay_is_no_wrong_shape(delay):
    faces = moving(110)
    warped, plain = distances(faces[5:105], faces[5 - delay : 105 - delay])
    assert warped < 0.15 * plain


def test_a_changing_delay_is_no_wrong_shape_and_a_long_one_is():
    faces = moving(200)
    drifting = [faces[round(n + 4 * math.sin(n / 20))] for n in range(5, 195)]
    warped, plain = distances(faces[5:195], drifting)
    assert warped < 0.15 * plain
    warped, plain = distances(faces[15:115], faces[:100])
    assert warped > 0.5 * plain


def test_frames_without_a_face_are_left_out():
    truth, generated = moving(30), moving(30, seed=1)
    gaps = [None if n in (3, 4, 20) else face for n, face in enumerate(generated)]
    kept = [n for n, face in enumerate(gaps) if face is not None]
    assert distances(truth, gaps) == distances([truth[n] for n in kept], [generated[n] for n in kept])
    measure = WarpedLmd(ALIGNED)
    assert math.isnan(measure.results()[0])
    for pair in pairs_of(truth[:1], generated[:1]):
        measure.add(pair)
        assert measure.results() == (pytest.approx(aligned_lmd(pair)),)


def test_memory_grows_with_the_length_and_not_with_its_square():
    mouths = np.random.default_rng(0).normal(size=(2, 3000, 20, 2))
    tracemalloc.start()
    try:
        assert warped_mean(band(*mouths, MAX_DELAY, landmark_distance), GAMMA) > 0
        assert tracemalloc.get_traced_memory()[1] < 3000**2
    finally:
        tracemalloc.stop()
