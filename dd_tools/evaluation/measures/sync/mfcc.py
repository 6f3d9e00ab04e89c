"""Mel-frequency cepstral coefficients (MFCC) with the defaults of python_speech_features, which SyncNet uses."""

import numpy as np

SAMPLE_RATE = 16000  # Hz
WINDOW, STEP = 400, 160  # samples: 25 ms, 100 windows per second
COEFFICIENTS, BANDS, FFT = 13, 26, 512
PRE_EMPHASIS = 0.97
LIFTER = 22


def mfcc(samples: np.ndarray) -> np.ndarray:
    """Coefficients float64 (T,13) of the complete windows in samples (1 + N,) on the scale of 16-bit integers.

    The first sample precedes the first window and is only used for pre-emphasis; it is 0 at the start of the audio.
    """
    emphasised = samples[1:] - PRE_EMPHASIS * samples[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)[::STEP]
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2 / FFT
    cepstrum = np.log(_nonzero(power @ _FILTERS.T)) @ _COSINES.T * _LIFT
    cepstrum[:, 0] = np.log(_nonzero(power.sum(1)))
    return cepstrum


def _nonzero(values: np.ndarray) -> np.ndarray:
    return np.where(values == 0, np.finfo(float).eps, values)


def _mel_filters() -> np.ndarray:
    """Triangular filters (26,257) over the FFT bins, with corners evenly spaced on the mel scale up to 8 kHz."""
    mels = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), BANDS + 2)
    corners = np.floor((FFT + 1) * 700 * (10 ** (mels / 2595) - 1) / SAMPLE_RATE)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(FFT // 2 + 1)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.where((bins >= low) & (bins < middle), rising, np.where((bins >= middle) & (bins < high), falling, 0))


def _cosines() -> np.ndarray:
    """The first rows (13,26) of the orthonormal DCT-II."""
    order = np.arange(COEFFICIENTS)[:, None]
    rows = np.cos(np.pi * order * (2 * np.arange(BANDS) + 1) / (2 * BANDS)) * np.sqrt(2 / BANDS)
    rows[0] /= np.sqrt(2)
    return rows


_FILTERS, _COSINES = _mel_filters(), _cosines()
_LIFT = 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
