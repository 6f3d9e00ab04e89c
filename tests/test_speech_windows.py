"""Cutting a signal into windows does not change features that depend on nearby samples only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.speech.windows import FRAME_SAMPLES, LATENT_SAMPLES, frame_count, windows

CORE, CONTEXT = 3 * LATENT_SAMPLES, 2 * LATENT_SAMPLES


def blocks_of(signal: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(signal, sorted(cut % (len(signal) + 1) for cut in cuts))


def frame_sums(samples: np.ndarray, frames: int) -> np.ndarray:
    """A feature that depends on its own frame and one on each side."""
    padded = np.pad(samples.astype(np.float64), (FRAME_SAMPLES, frames * FRAME_SAMPLES + FRAME_SAMPLES))
    return np.array([padded[k * FRAME_SAMPLES : (k + 3) * FRAME_SAMPLES].sum() for k in range(frames)])


@given(length=st.integers(1, 30 * LATENT_SAMPLES), cuts=st.lists(st.integers(0, 10**6), max_size=6))
@settings(max_examples=60, deadline=None)
def test_windows_give_the_frames_of_one_pass(length, cuts):
    signal = np.sin(np.arange(length)).astype(np.float32)
    pieces = []
    for window in windows(blocks_of(signal, cuts), CORE, CONTEXT):
        assert len(window.samples) <= CORE + 3 * CONTEXT
        pieces.append(frame_sums(window.samples, window.offset + window.frames)[window.offset :])
    np.testing.assert_allclose(np.concatenate(pieces), frame_sums(signal, frame_count(length)), atol=1e-9)


def test_a_short_signal_is_one_window():
    signal = np.arange(CORE + 2 * CONTEXT, dtype=np.float32)
    (window,) = windows([signal], CORE, CONTEXT)
    np.testing.assert_array_equal(window.samples, signal)
    assert (window.offset, window.frames) == (0, 14)
    assert len(list(windows([signal, signal[:1]], CORE, CONTEXT))) == 2


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (1, 2), (639, 2), (640, 2), (641, 4), (16000, 50), (160000, 500), (160001, 502)]
)
def test_two_frames_per_latent(samples, frames):
    assert frame_count(samples) == frames
