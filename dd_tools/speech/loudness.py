"""Loudness of speech, which marks silence in any language."""

import numpy as np

from dd_tools.speech.features import Level
from dd_tools.speech.windows import FRAME_SAMPLES, Window, pad_window

WINDOW_SAMPLES = 2 * FRAME_SAMPLES  # 40 ms
FLOOR = -60.0  # dB
MIN_RMS = 0.01  # quieter recordings are not amplified to the loudness of speech


def loudness(window: Window, level: Level) -> np.ndarray:
    """Power of a window's frames relative to the whole signal, float32 (window.frames,) in units of 20 dB.

    The values range from −3, the floor, to about 1. Each frame is measured over 40 ms; beyond its ends the signal is
    zero.
    """
    padded = pad_window(window.samples - np.float32(level.mean), window, WINDOW_SAMPLES)
    sums = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
    starts = FRAME_SAMPLES * (window.offset + np.arange(window.frames))
    power = (sums[starts + WINDOW_SAMPLES] - sums[starts]) / WINDOW_SAMPLES / max(level.variance, MIN_RMS**2)
    return (np.log10(np.maximum(power, 10 ** (FLOOR / 10))) / 2).astype(np.float32)
