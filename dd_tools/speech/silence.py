"""What speech models hear when nobody speaks.

A speech model hears more than a moment: silence beside a voice is not to it what silence alone is. So here there are
both, and the voice is a buzz that hums syllables.
"""

import numpy as np

from dd_tools.formats.arrays import SPEECH_RATE
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import SpeechModel
from dd_tools.speech.loudness import FLOOR

VOICE = 0.05  # root mean square of a voice that is recorded as usual, -26 dB
NOISES = (None, -70, -60, -50, -45, -40)  # of the room, in decibels beside the voice; None is digital silence
LOUDEST = -40  # the same as loudness
PITCHES = (90, 130, 210)  # hertz
FORMANTS = ((500, 80), (1500, 120), (2500, 160))  # hertz, and their width
SPEAKING, PAUSE = 2.0, 3.0  # seconds
EDGE = 2  # feature frames beside a voice that still hear it


def silence(model: SpeechModel) -> np.ndarray:
    """Features float16 (L, T, D) of silences alone and between voices, in quiet and in less quiet rooms.

    Of a model that tells loudness, as many again know nothing but that it is low, and are NaN else: what the model made
    of silence beside a real voice, in whatever language, it may have made of anything.
    """
    rng = np.random.default_rng(0)
    heard = []
    for noise in NOISES:
        for pitch in (None, *PITCHES):
            voice = np.zeros(round(SPEAKING * SAMPLE_RATE)) if pitch is None else _buzz(pitch, rng)
            samples = np.concatenate([voice, np.zeros(round(PAUSE * SAMPLE_RATE)), voice])
            if noise is not None:
                samples += VOICE * 10 ** (noise / 20) * rng.standard_normal(len(samples))
            start, stop = (round(SPEECH_RATE * seconds) for seconds in (SPEAKING, SPEAKING + PAUSE))
            heard.append(model.features(samples.astype(np.float32))[:, start + EDGE : stop - EDGE])
    if model.tells_loudness:
        for piece in heard[:]:
            heard.append(np.full_like(piece, np.nan))
            heard[-1][..., -1] = rng.uniform(FLOOR, LOUDEST) / 20
    return np.concatenate(heard, axis=1)


def _buzz(pitch: float, rng: np.random.Generator) -> np.ndarray:
    """`SPEAKING` seconds of harmonics of a gliding `pitch` through `FORMANTS`, and some breath, four times a second."""
    times = np.arange(round(SPEAKING * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * pitch * (times + 0.02 * np.sin(2 * np.pi * times))
    frequencies = pitch * np.arange(1, int(SAMPLE_RATE / 2 / pitch))
    heights = sum(1 / (1 + ((frequencies - formant) / width) ** 2) for formant, width in FORMANTS)
    sound = sum(height * np.cos(number * phase) for number, height in enumerate(heights, 1))
    sound = sound / sound.std() + 0.1 * rng.standard_normal(len(sound))
    return VOICE * sound * (1 - np.cos(2 * np.pi * 4 * times)) / 2
