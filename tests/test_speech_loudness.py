"""Loudness: against the definition written out, in pieces as in one, and whatever the recording's level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.speech.features import measure
from dd_tools.speech.loudness import amplitude, loudness, rhythm
from dd_tools.speech.windows import FRAME, Window, frame_count, windows

SIGNAL = np.random.default_rng(0).standard_normal(20_000).astype(np.float32) * np.linspace(0, 0.4, 20_000, dtype="f4")


def whole(signal: np.ndarray) -> np.ndarray:
    return loudness(Window(signal, 0, frame_count(len(signal))), measure([signal]))


@given(st.integers(0, 61))
@settings(deadline=None)
def test_a_frame_is_the_power_of_40_ms_around_it(frame):
    padded = np.pad(SIGNAL.astype(np.float64) - SIGNAL.mean(dtype=np.float64), (160, 2000))
    power = np.mean(padded[FRAME * frame : FRAME * frame + 640] ** 2) / SIGNAL.var(dtype=np.float64)
    assert whole(SIGNAL)[frame] == pytest.approx(max(10 * np.log10(power), -60) / 20, abs=1e-3)


def test_pieces_are_the_whole():
    signal, level = np.tile(SIGNAL, 3), measure([np.tile(SIGNAL, 3)])
    pieces = [loudness(window, level) for window in windows([signal], core=640 * 20, context=640 * 5)]
    assert len(pieces) > 2
    np.testing.assert_allclose(np.concatenate(pieces), whole(signal), atol=1e-4)


def test_the_level_of_the_recording_makes_no_difference():
    np.testing.assert_allclose(whole(SIGNAL * 0.3), whole(SIGNAL), atol=1e-3)


@pytest.mark.parametrize("amplitude", [0.0, 1e-6])
def test_silence_is_the_floor_and_not_made_louder(amplitude):
    noise = np.random.default_rng(0).standard_normal(3200).astype(np.float32) * amplitude
    np.testing.assert_allclose(whole(noise), -3)


def test_a_pause_beside_a_voice_is_the_floor():
    voice = np.random.default_rng(0).standard_normal(6400).astype(np.float32) * 0.1
    found = whole(np.concatenate([voice, np.zeros(6400, np.float32)]))
    assert abs(found[1:19] - 0.15).max() < 0.1
    np.testing.assert_allclose(found[21:], -3, atol=0.02)


@pytest.mark.parametrize("frames", [1, 2, 39, 40])
def test_amplitude_is_the_mean_of_pairs_of_frames(frames):
    told = np.random.default_rng(0).uniform(-3, 1, frames)
    expected = [
        np.mean([min(10**value, 10**0.5) for value in told[place : place + 2]]) for place in range(0, frames, 2)
    ]
    np.testing.assert_allclose(amplitude(told, -(-frames // 2)), expected, rtol=1e-5)


def test_rhythm_is_what_goes_two_to_seven_times_a_second():
    """Against the waves a track was put together from, on whole numbers of periods."""
    seconds = np.arange(500) / 25
    waves = {hertz: np.sin(2 * np.pi * hertz * seconds + hertz) for hertz in (0.05, 0.5, 1.9, 2, 3, 6.5, 7, 7.1, 12)}
    expected = sum(wave for hertz, wave in waves.items() if 2 <= hertz <= 7)
    np.testing.assert_allclose(rhythm(4 + sum(waves.values())), expected, atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 3, 10])
def test_a_word_has_as_long_a_rhythm(length):
    assert rhythm(np.arange(float(length))).shape == (length,)
