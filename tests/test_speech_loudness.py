"""Loudness against known levels, in pieces and in one pass."""

import numpy as np
import pytest

from dd_tools.speech.features import measure_level
from dd_tools.speech.loudness import loudness
from dd_tools.speech.windows import Window, frame_count, windows

SIGNAL = np.random.default_rng(0).standard_normal(20_000).astype(np.float32) * np.linspace(0, 0.4, 20_000, dtype="f4")


def whole(signal: np.ndarray) -> np.ndarray:
    return loudness(Window(signal, 0, frame_count(len(signal))), measure_level([signal]))


def test_loudness_of_a_signal_of_two_levels():
    """A square wave of amplitude 0.1, then 0.01: its variance is 0.00505. 20 dB are a factor of 10."""
    signal = np.resize([1, -1], 6400) * np.repeat([0.1, 0.01], 3200)
    found = whole(signal.astype(np.float32))
    np.testing.assert_allclose(found[1:9], 0.1484, atol=1e-4)
    np.testing.assert_allclose(found[11:19], -0.8516, atol=1e-4)
    # Windows of 640 samples, a quarter of which lies before the signal or beyond the change.
    np.testing.assert_allclose(found[[0, 9, 10]], [0.0859, 0.0866, -0.1463], atol=1e-4)


def test_windows_give_the_loudness_of_one_pass():
    signal, level = np.tile(SIGNAL, 3), measure_level([np.tile(SIGNAL, 3)])
    pieces = [loudness(window, level) for window in windows([signal], core=640 * 20, context=640 * 5)]
    assert len(pieces) > 2
    np.testing.assert_allclose(np.concatenate(pieces), whole(signal), atol=1e-4)


def test_loudness_does_not_depend_on_the_recording_level():
    np.testing.assert_allclose(whole(SIGNAL * 0.3), whole(SIGNAL), atol=1e-3)


@pytest.mark.parametrize("amplitude", [0.0, 1e-6])
def test_silence_is_at_the_floor(amplitude):
    noise = np.random.default_rng(0).standard_normal(3200).astype(np.float32) * amplitude
    np.testing.assert_allclose(whole(noise), -3)


def test_a_pause_after_speech_is_at_the_floor():
    speech = np.random.default_rng(0).standard_normal(6400).astype(np.float32) * 0.1
    found = whole(np.concatenate([speech, np.zeros(6400, np.float32)]))
    assert abs(found[1:19] - 0.15).max() < 0.1
    np.testing.assert_allclose(found[21:], -3, atol=0.02)
