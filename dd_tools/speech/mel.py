"""Log-mel features, the paper's ablation ("w/o w.s."): no weights, no download."""

import numpy as np
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import MEL, Level, SpeechModel
from dd_tools.speech.windows import FRAME, Window, padded

BANDS = 80
LENGTH = 2 * FRAME  # samples a frame looks at: its own and half as many on both sides
FFT_LENGTH = 1024
FLOOR = 1e-4  # of the power in a band, which is about 1 in speech: some 60 dB below the loudest


class LogMel(SpeechModel):
    """log10 of the power in 80 mel bands (Slaney's scale, 0 to 8 kHz) of the signal at unit variance, (1, T, 80),
    about −4 … 4.

    Frames look at 40 ms under a Hann window, centred on the frame; beyond the signal's ends there is silence.
    """

    name, layers, width = MEL, 1, BANDS

    def __init__(self):
        self._window = window_function(LENGTH, "hann")
        self._filters = mel_filter_bank(
            FFT_LENGTH // 2 + 1, BANDS, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )

    def _describe(self, window: Window, level: Level) -> np.ndarray:
        power = spectrogram(
            padded(level.normalise(window.samples), window, LENGTH),
            self._window,
            LENGTH,
            FRAME,
            FFT_LENGTH,
            power=2.0,
            center=False,
            mel_filters=self._filters,
            mel_floor=FLOOR,
        )
        return np.log10(power.T[None, window.offset : window.offset + window.frames])
