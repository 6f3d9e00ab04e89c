"""The power of sound in mel bands."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dd_tools.media.audio import SAMPLE_RATE

# Slaney's scale: linear up to 15 mels at 1 kHz, then 27 mels per factor of 6.4.
HZ_PER_MEL, BREAK_MEL, BREAK_HZ = 200 / 3, 15, 1000
MELS_PER_OCTAVE = 27 / np.log2(6.4)


def mel_filters(bands: int, fft_samples: int) -> np.ndarray:
    """Weights (fft_samples // 2 + 1, bands), float64, of the frequencies of a Fourier transform in each mel band.

    Bands are triangles of unit area that overlap by half, from 0 Hz to half of `SAMPLE_RATE`.
    """
    top = BREAK_MEL + MELS_PER_OCTAVE * np.log2(SAMPLE_RATE / 2 / BREAK_HZ)
    edges = _frequencies(np.linspace(0, top, bands + 2))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    frequencies = np.linspace(0, SAMPLE_RATE / 2, fft_samples // 2 + 1)[:, None]
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


def _frequencies(mels: np.ndarray) -> np.ndarray:
    """Frequencies in Hz of values on the mel scale."""
    return np.where(mels < BREAK_MEL, mels * HZ_PER_MEL, BREAK_HZ * 2 ** ((mels - BREAK_MEL) / MELS_PER_OCTAVE))


def band_power(signal: np.ndarray, window_samples: int, hop: int, filters: np.ndarray) -> np.ndarray:
    """Power (T, bands) of a `signal` float32 (n,) in Hann windows, one every `hop` samples, all inside the signal.

    filters: (frequencies, bands), as made by `mel_filters`; windows are padded with zeros to its Fourier transform.
    """
    hann = np.hanning(window_samples + 1)[:-1].astype(np.float32)
    windows = sliding_window_view(signal, window_samples)[::hop] * hann
    spectrum = np.fft.rfft(windows, 2 * (len(filters) - 1))
    return (spectrum.real**2 + spectrum.imag**2) @ filters
