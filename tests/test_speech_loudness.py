"""Loudness against known levels, in pieces and in one pass, and its amplitude and rhythm."""

import numpy as np
import pytest

from dd_tools.speech.features import measure_level
from dd_tools.speech.loudness import amplitude, loudness, rhythm
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


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0.0, 0.0, -1.0, -2.0], [1.0, 0.055]),
        ([-3.0], [0.001]),  # the last value is repeated
        ([0.30103, -0.30103, 0.0], [1.25, 1.0]),
        ([0.5, 0.9, 0.30103, 1.0], [3.16228, 2.58114]),  # limited at 10 dB
    ],
)
def test_amplitude_is_the_mean_of_two_feature_frames(levels, expected):
    np.testing.assert_allclose(amplitude(np.array(levels), len(expected)), expected, rtol=1e-5)


def test_rhythm_is_the_band_from_2_to_7_hz():
    """Against the sinusoids that a signal was summed from, over whole numbers of periods."""
    seconds = np.arange(500) / 25
    waves = {hertz: np.sin(2 * np.pi * hertz * seconds + hertz) for hertz in (0.05, 0.5, 1.9, 2, 3, 6.5, 7, 7.1, 12)}
    expected = sum(wave for hertz, wave in waves.items() if 2 <= hertz <= 7)
    np.testing.assert_allclose(rhythm(4 + sum(waves.values())), expected, atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 3, 10])
def test_rhythm_keeps_the_length(length):
    assert rhythm(np.arange(float(length))).shape == (length,)
