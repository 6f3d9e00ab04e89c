"""The features of silence, from which a motion model learns to close the mouth.

People who are filmed while they speak hardly pause, so training inserts silences into their speech. The features of a
frame depend on the audio around it: silence next to speech differs from silence alone. Both are therefore generated
here. A synthetic voice, a buzz with the rhythm of syllables, takes the place of speech.
"""

import numpy as np

from dd_tools.formats.arrays import SPEECH_RATE
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import SpeechModel
from dd_tools.speech.loudness import FLOOR

VOICE = 0.05  # RMS of a voice at an ordinary recording level, -26 dB
NOISES = (None, -70, -60, -50, -45, -40)  # room noise in dB relative to the voice; None is digital silence
MAX_NOISE = -40  # dB, the highest of `NOISES`
PITCHES = (90, 130, 210)  # Hz
FORMANTS = ((500, 80), (1500, 120), (2500, 160))  # centre and bandwidth, Hz
SPEAKING, PAUSE = 2.0, 3.0  # seconds
EDGE = 2  # feature frames at each end of a pause that are left out, because they are computed partly from the voice
SYLLABLE_RATE = 4  # Hz


def silence(model: SpeechModel) -> np.ndarray:
    """Features float16 (L, T, D) of silences, alone and between voices, with different levels of room noise.

    If the model's last feature is the loudness, T is twice as long. In the second half the loudness is low and all
    other features are NaN, which means unknown: a recogniser that knows one language may output anything in the pauses
    of another.
    """
    rng = np.random.default_rng(0)
    pauses = [_pause(model, noise, pitch, rng) for noise in NOISES for pitch in (None, *PITCHES)]
    if model.has_loudness:
        pauses += [_loudness_only(pause, rng) for pause in pauses]
    return np.concatenate(pauses, axis=1)


def _pause(model: SpeechModel, noise: int | None, pitch: int | None, rng: np.random.Generator) -> np.ndarray:
    """Features (L, t, D) of one pause with room `noise` in dB, between voices of a `pitch` in Hz, if any."""
    voice = np.zeros(round(SPEAKING * SAMPLE_RATE)) if pitch is None else _buzz(pitch, rng)
    samples = np.concatenate([voice, np.zeros(round(PAUSE * SAMPLE_RATE)), voice])
    if noise is not None:
        samples += VOICE * 10 ** (noise / 20) * rng.standard_normal(len(samples))
    start, stop = (round(SPEECH_RATE * seconds) for seconds in (SPEAKING, SPEAKING + PAUSE))
    return model.features(samples.astype(np.float32))[:, start + EDGE : stop - EDGE]


def _loudness_only(pause: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Features of the shape of `pause` (L, t, D) that are NaN except for a random low loudness."""
    features = np.full_like(pause, np.nan)
    features[..., -1] = rng.uniform(FLOOR, MAX_NOISE) / 20
    return features


def _buzz(pitch: float, rng: np.random.Generator) -> np.ndarray:
    """A synthetic voice of `SPEAKING` seconds: harmonics of a gliding `pitch` in Hz, `FORMANTS`, breath, syllables."""
    times = np.arange(round(SPEAKING * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * pitch * (times + 0.02 * np.sin(2 * np.pi * times))
    frequencies = pitch * np.arange(1, int(SAMPLE_RATE / 2 / pitch))
    gains = sum(1 / (1 + ((frequencies - formant) / bandwidth) ** 2) for formant, bandwidth in FORMANTS)
    sound = sum(gain * np.cos(number * phase) for number, gain in enumerate(gains, 1))
    sound = sound / sound.std() + 0.1 * rng.standard_normal(len(sound))
    return VOICE * sound * (1 - np.cos(2 * np.pi * SYLLABLE_RATE * times)) / 2
