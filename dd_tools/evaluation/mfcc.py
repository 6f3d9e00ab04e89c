"""Mel-frequency cepstral coefficients as SyncNet was trained on: those of python_speech_features, its defaults."""

import numpy as np

SAMPLE_RATE = 16000
WINDOW, STEP = 400, 160  # samples: 25 ms, 100 times a second
COEFFICIENTS, BANDS, FFT = 13, 26, 512
PRE_EMPHASIS = 0.97
LIFTER = 22


def mfcc(samples: np.ndarray) -> np.ndarray:
    """Coefficients (T,13) of every whole window in samples (1 + N,) on the scale of 16-bit integers.

    The first sample is the one before the first window, which pre-emphasis needs; 0 at the start of a sound.
    """
    emphasised = samples[1:] - PRE_EMPHASIS * samples[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)[::STEP]
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2 / FFT
    cepstrum = np.log(_not_zero(power @ _FILTERS.T)) @ _COSINES.T * _LIFT
    cepstrum[:, 0] = np.log(_not_zero(power.sum(1)))
    return cepstrum


def _not_zero(values: np.ndarray) -> np.ndarray:
    return np.where(values == 0, np.finfo(float).eps, values)


def _mel_filters() -> np.ndarray:
    """Triangles (26,257) over the bins of the spectrum, their corners evenly spaced on the mel scale up to 8 kHz."""
    mels = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), BANDS + 2)
    corners = np.floor((FFT + 1) * 700 * (10 ** (mels / 2595) - 1) / SAMPLE_RATE)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(FFT // 2 + 1)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.where((bins >= low) & (bins < middle), rising, np.where((bins >= middle) & (bins < high), falling, 0))


def _cosines() -> np.ndarray:
    """The orthonormal DCT-II's first rows (13,26)."""
    order = np.arange(COEFFICIENTS)[:, None]
    rows = np.cos(np.pi * order * (2 * np.arange(BANDS) + 1) / (2 * BANDS)) * np.sqrt(2 / BANDS)
    rows[0] /= np.sqrt(2)
    return rows


_FILTERS, _COSINES = _mel_filters(), _cosines()
_LIFT = 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
