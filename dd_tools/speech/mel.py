"""Log-mel features, the paper's ablation ("w/o w.s."): no weights, no download."""

import numpy as np
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import MEL, Level, SpeechModel
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
        self._window = window_function(WINDOW_SAMPLES, "hann")
        self._filters = mel_filter_bank(
            FFT_SAMPLES // 2 + 1, BANDS, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )

    def _extract(self, window: Window, level: Level) -> np.ndarray:
        power = spectrogram(
            pad_window(level.normalise(window.samples), window, WINDOW_SAMPLES),
            self._window,
            WINDOW_SAMPLES,
            FRAME_SAMPLES,
            FFT_SAMPLES,
            power=2.0,
            center=False,
            mel_filters=self._filters,
            mel_floor=FLOOR,
        )
        return np.log10(power.T[None, window.offset : window.offset + window.frames])
