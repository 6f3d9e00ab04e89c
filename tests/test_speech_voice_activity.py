"""Voice activity in synthetic signals whose speech is known: bursts of a tone, noise, silence."""

import numpy as np
import pytest

from dd_tools.speech.voice_activity import frame_power, is_speech

RATE, FRAME = 16000, 320


def bursts(*seconds: float, level: float = 0.1) -> np.ndarray:
    """A signal that begins with silence, then a tone, and so on, each for so many seconds."""
    parts = [np.full(round(RATE * length), level * (number % 2)) for number, length in enumerate(seconds)]
    gain = np.concatenate(parts)
    return np.float32(gain * np.sin(2 * np.pi * 220 / RATE * np.arange(len(gain))))


def noise(count: int, level: float) -> np.ndarray:
    return np.float32(np.random.default_rng(0).standard_normal(count) * level)


def heard(signal: np.ndarray) -> list[tuple[float, float]]:
    """First and last second of every stretch in which speech is heard."""
    flags = is_speech(frame_power([signal]))
    changes = np.flatnonzero(np.diff(np.pad(flags, 1).astype(int))) / 50
    return [tuple(pair) for pair in changes.reshape(-1, 2).tolist()]


def near(*stretches: tuple[float, float]) -> list:
    return [pytest.approx(stretch, abs=0.021) for stretch in stretches]


@pytest.mark.parametrize("room", [0, 1e-4, 1e-3, 5e-3])
def test_tone_bursts_are_heard_where_they_are(room):
    """Also in noise 17 dB below the tone."""
    signal = bursts(0.5, 1, 0.4, 0.6, 1)
    assert heard(signal + noise(len(signal), room)) == near((0.5, 1.5), (1.9, 2.5))


@pytest.mark.parametrize("gain", [0.01, 0.1, 10])
def test_the_recording_level_does_not_matter(gain):
    signal = bursts(0.5, 1, 0.4, 0.6, 1)
    assert heard(signal * np.float32(gain)) == heard(signal)


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(RATE, np.float32),
        np.full(RATE, 0.3, np.float32),
        noise(3 * RATE, 0.1),
        noise(3 * RATE, 0.001),
        bursts(0, 3),
        bursts(1, 1, 1, level=5e-5),
        np.empty(0, np.float32),
        np.zeros(FRAME - 1, np.float32),
    ],
    ids=["silence", "offset", "noise", "soft noise", "tone", "almost silence", "empty", "no frame"],
)
def test_what_does_not_rise_and_fall_is_no_speech(signal):
    assert heard(signal) == []


def test_a_long_pause_does_not_change_what_is_speech():
    assert heard(bursts(60, 0.5, 0.5)) == near((60, 60.5))


def test_gaps_between_words_are_no_pauses():
    assert heard(bursts(0.5, 1, 0.28, 1, 0.5)) == near((0.5, 2.78))
    assert heard(bursts(0.5, 1, 0.32, 1, 0.5)) == near((0.5, 1.5), (1.82, 2.82))


def test_clicks_are_no_speech():
    signal = bursts(1, 1, 2)
    signal[[8000, 50_000]] = 1
    assert heard(signal) == near((1, 2))


def test_soft_parts_of_speech_are_heard_and_softer_ones_are_not():
    """An amplitude of a tenth is 20 dB."""
    signal = bursts(1, 1, 1, 1, 1)
    softer = signal.copy()
    softer[round(2.5 * RATE) :] *= 0.1
    assert heard(softer) == heard(signal)
    softer[round(2.5 * RATE) :] *= 0.1
    assert heard(softer) == near((1, 2))


@pytest.mark.parametrize("size", [1000, 320, 7777, 100_000])
def test_blocks_give_the_power_of_one_pass(size):
    signal = bursts(0.5, 1, 0.4) + noise(30_400, 0.01)
    blocks = [signal[start : start + size] for start in range(0, len(signal), size)]
    np.testing.assert_array_equal(frame_power(iter(blocks)), frame_power([signal]))


def test_power_is_the_variance_of_20_ms():
    assert frame_power([np.tile([0.3, 0.1], 400)]) == pytest.approx([0.01, 0.01])
