"""How loud a voice is, which tells silence in any language."""

import numpy as np

from dd_tools.speech.features import Level
from dd_tools.speech.windows import FRAME, Window, padded

SPAN = 2 * FRAME  # samples a frame looks at: its own and half as many on both sides
FLOOR = -60.0  # decibels
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
