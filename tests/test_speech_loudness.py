"""Loudness: against the definition written out, in pieces as in one, and whatever the recording's level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.speech.features import measure
from dd_tools.speech.loudness import loudness
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
