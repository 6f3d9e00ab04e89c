"""Where speech is heard in an audio track, judged by its energy: a voice activity detector without a network.

Speech rises and falls with its syllables, far above the noise of the room. A sound that does not, such as steady noise
or a tone, is no speech. Music and other voices are not told from speech.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from dd_tools.formats.arrays import SPEECH_RATE
from dd_tools.speech.features import MIN_SPEECH_RMS
from dd_tools.speech.windows import FRAME_SAMPLES

FLOOR = 10  # percentile of the frames' levels that is taken for the noise of the room
BELOW_SPEECH, ABOVE_FLOOR = 25.0, 6.0  # dB: how far below the loud parts, and above the noise, speech may be
MIN_RANGE = 12.0  # dB between the noise and the loud parts; 20 ms of steady noise vary by less than 3
MIN_PAUSE, MIN_SPEECH = 0.3, 0.1  # seconds: shorter pauses are gaps between words, shorter sounds are clicks

SETTINGS = (
    f"energy,{SPEECH_RATE}/s,below-{BELOW_SPEECH:g}-dB,above-floor-{FLOOR}%-{ABOVE_FLOOR:g}-dB,"
    f"range-{MIN_RANGE:g}-dB,pause-{MIN_PAUSE}-s,speech-{MIN_SPEECH}-s"
)


def frame_power(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Power of a signal at 16 kHz in frames of 20 ms, float64 (T,), without its offset and slow hum.

    blocks: consecutive samples (n,) in [−1, 1]. An incomplete last frame is left out.
    """
    powers = [frames.astype(np.float64).var(axis=1) for frames in _frames(blocks)]
    return np.concatenate(powers) if powers else np.empty(0)


def _frames(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same samples as complete frames (N,320)."""
    held = np.empty(0, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        whole = len(held) // FRAME_SAMPLES * FRAME_SAMPLES
        yield held[:whole].reshape(-1, FRAME_SAMPLES)
        held = held[whole:]


def is_speech(power: np.ndarray) -> np.ndarray:
    """Whether speech is heard in each frame of `frame_power` (T,), bool (T,).

    The level of the loud parts is the mean of the power weighted by itself, which does not depend on the length of the
    pauses.
    """
    loud = np.square(power).sum() / power.sum() if power.any() else 0.0
    if loud < MIN_SPEECH_RMS**2:
        return np.zeros(len(power), bool)
    levels = 10 * np.log10(np.maximum(power, MIN_SPEECH_RMS**2) / loud)
    floor = np.percentile(levels, FLOOR)
    if floor > -MIN_RANGE:
        return np.zeros(len(power), bool)
    spoken = levels > max(-BELOW_SPEECH, floor + ABOVE_FLOOR)
    spoken = ~_without_short_runs(~spoken, MIN_PAUSE)
    return _without_short_runs(spoken, MIN_SPEECH)


def _without_short_runs(flags: np.ndarray, seconds: float) -> np.ndarray:
    """The flags (T,) with runs of True that are shorter than `seconds` cleared."""
    changes = np.flatnonzero(np.diff(np.pad(flags, 1).astype(np.int8)))
    kept = flags.copy()
    for start, stop in changes.reshape(-1, 2):
        if stop - start < round(seconds * SPEECH_RATE):
            kept[start:stop] = False
    return kept
