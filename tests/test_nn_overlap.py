"""Long sequences in windows: everything is computed, and windows run into each other."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.nn.overlap import in_windows, window_overlap, window_starts

sizes = {"length": st.integers(1, 400), "window": st.integers(5, 120)}


@given(**sizes)
def test_a_function_of_the_position_alone_comes_out_unchanged(length, window):
    track = np.random.default_rng(0).standard_normal((length, 2)).astype(np.float32)
    found = in_windows(lambda start, stop: track[start:stop], length, window)
    np.testing.assert_allclose(found, track, atol=1e-5)


@given(**sizes)
def test_windows_are_no_longer_than_asked_and_share_a_fifth(length, window):
    spans = []
    in_windows(lambda start, stop: spans.append((start, stop)) or np.zeros((stop - start, 1)), length, window)
    assert spans[0][0] == 0 and spans[-1][1] == length
    assert all(stop - start <= window for start, stop in spans)
    assert all(stop == start + window for start, stop in spans[:-1])
    for (_, stop), (start, _) in itertools.pairwise(spans):
        assert stop - start == window // 5


def test_the_crossfade_is_linear():
    """Of windows that disagree: one says 0, the next 1, and so on."""
    numbers = itertools.count()
    found = in_windows(lambda start, stop: np.full((stop - start, 1), next(numbers) % 2, float), 18, 10)
    assert window_overlap(10) == 2
    assert found[:, 0] == pytest.approx([0] * 8 + [0.25, 0.75] + [1] * 8)


def test_progress_gets_the_starts_of_the_windows():
    seen = []
    in_windows(lambda start, stop: np.zeros((stop - start, 1)), 30, 10, lambda starts: seen.extend(starts) or starts)
    assert seen == list(window_starts(30, 10)) == [0, 8, 16, 24]
