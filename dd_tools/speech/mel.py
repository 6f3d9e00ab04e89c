"""Log-mel features, the paper's ablation ("w/o w.s."): no weights, no download."""

import numpy as np

from dd_tools.speech.features import MEL, Level, SpeechModel
from dd_tools.speech.mel_bands import band_power, mel_filters
from dd_tools.speech.windows import FRAME_SAMPLES, Window, pad_window

BANDS = 80
WINDOW_SAMPLES = 2 * FRAME_SAMPLES  # 40 ms
FFT_SAMPLES = 1024
FLOOR = 1e-4  # power of a band; in speech it is about 1, so this is about 60 dB below the loudest frames


class LogMel(SpeechModel):
    """log10 of the power in 80 mel bands (Slaney, 0 to 8 kHz) of the signal at unit variance: (1, T, 80), −4 to 4.

    A Hann window of 40 ms is centred on each frame. Beyond its ends the signal is zero.
    """

    name, layers, width = MEL, 1, BANDS

    def __init__(self):
        self._filters = mel_filters(BANDS, FFT_SAMPLES)

    def _extract(self, window: Window, level: Level) -> np.ndarray:
        signal = pad_window(level.normalise(window.samples), window, WINDOW_SAMPLES)
        power = band_power(signal, WINDOW_SAMPLES, FRAME_SAMPLES, self._filters)
        return np.log10(np.maximum(power, FLOOR)[None, window.offset : window.offset + window.frames])
