"""Loudness of speech, which marks silence in any language, and the amplitude and syllable rhythm derived from it."""

import numpy as np

from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.speech.features import Level
from dd_tools.speech.windows import FRAME_SAMPLES, Window, pad_window

WINDOW_SAMPLES = 2 * FRAME_SAMPLES  # 40 ms
FLOOR = -60.0  # dB
MAX_LOUDNESS = 0.5  # in the units of `loudness`, 20 dB; 99 of 100 frames of ordinary speech are below
SYLLABLE_BAND = 2.0, 7.0  # Hz
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


def amplitude(levels: np.ndarray, length: int) -> np.ndarray:
    """Amplitude (length,) at 25 per second, in units of the speech's RMS.

    levels: (2 length,) or (2 length − 1,) values of `loudness`, at 50 per second. Those above `MAX_LOUDNESS`, usually
    clicks, are limited, so the amplitude is at most 3.2.
    """
    amplitudes = np.power(10.0, np.minimum(levels.astype(np.float32), MAX_LOUDNESS))
    return np.pad(amplitudes, (0, 2 * length - len(amplitudes)), "edge").reshape(length, 2).mean(1)


def rhythm(track: np.ndarray) -> np.ndarray:
    """The syllable rhythm of a signal (T,) at 25 per second: its frequencies from 2 to 7 Hz.

    In this band the lip aperture follows the amplitude of speech, in English and in French (C. Chandrasekaran et al.:
    *The natural statistics of audiovisual speech*, 2009). At lower frequencies it does not: people also speak loudly
    with nearly closed lips, and open the mouth before they speak.
    """
    spectrum, frequencies = np.fft.rfft(track), np.fft.rfftfreq(len(track), 1 / LATENT_RATE)
    spectrum[(frequencies < SYLLABLE_BAND[0]) | (frequencies > SYLLABLE_BAND[1])] = 0
    return np.fft.irfft(spectrum, len(track))
