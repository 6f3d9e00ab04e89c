"""How loud a voice is, which tells silence in any language."""

import numpy as np

from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.speech.features import Level
from dd_tools.speech.windows import FRAME, Window, padded

SPAN = 2 * FRAME  # samples a frame looks at: its own and half as many on both sides
FLOOR = -60.0  # decibels
LOUDEST = 0.5  # in units of 20 dB, as `loudness`: 99 of 100 frames of ordinary voices lie below
SYLLABLES = 2.0, 7.0  # hertz
QUIET = 0.01  # root mean square; a recording below is not heard as if it were louder


def loudness(window: Window, level: Level) -> np.ndarray:
    """Of the wanted frames (window.frames,) float32: their power beside that of the whole signal, in units of 20 dB:
    -3, the floor, to about 1. Beyond the signal's ends there is silence.
    """
    squares = np.square(padded(window.samples - np.float32(level.mean), window, SPAN), dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(squares)])
    starts = FRAME * (window.offset + np.arange(window.frames))
    power = (sums[starts + SPAN] - sums[starts]) / SPAN / max(level.variance, QUIET**2)
    return (np.log10(np.maximum(power, 10 ** (FLOOR / 10))) / 2).astype(np.float32)


def amplitude(levels: np.ndarray, length: int) -> np.ndarray:
    """The amplitude (length,) at 25 a second, 1 being the voice's root mean square, that `loudness` (2 length or one
    less,) at 50 tells; above 3.2, where only clicks are, it stays there.
    """
    each = np.power(10.0, np.minimum(levels.astype(np.float32), LOUDEST))
    return np.pad(each, (0, 2 * length - len(each)), "edge").reshape(length, 2).mean(1)


def rhythm(track: np.ndarray) -> np.ndarray:
    """What of a track (T,) at 25 a second lies from 2 to 7 Hz, where syllables are. There mouths go with the voice's
    amplitude (Chandrasekaran et al. 2009), not in what is slower: people speak loudly with lips nearly shut, and open
    their mouths before they speak.
    """
    spectrum, hertz = np.fft.rfft(track), np.fft.rfftfreq(len(track), 1 / LATENT_RATE)
    spectrum[(hertz < SYLLABLES[0]) | (hertz > SYLLABLES[1])] = 0
    return np.fft.irfft(spectrum, len(track))
