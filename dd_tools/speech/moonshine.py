"""The encoder of Moonshine, a small speech recogniser in the wheel `moonshine-voice`: the default speech model.

A recogniser's features give better lip motion than log-mel, and this one needs no download.

The encoder outputs 288 values every 384 samples. Some of them encode the position of a frame in the encoder's input,
which is meaningless in a long or cut recording. The encoder therefore runs on a short window that moves in small steps,
and each frame is averaged over its positions in the window. The features then hardly depend on where a recording
begins, and not at all on how it is cut into pieces. They predict lip aperture as well as those of a single pass (see
`tests/benchmarks/speech_features.py`).

Loudness is appended, because a recogniser that knows only English mistakes pauses in other languages for speech.
"""

import importlib.util
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.speech.features import MOONSHINE, Level, SpeechModel
from dd_tools.speech.loudness import loudness
from dd_tools.speech.windows import FRAME_SAMPLES, Window

WIDTH = 288
HOP = 384  # samples between encoder frames: strides 64 · 3 · 2
RECEPTIVE_FIELD = 895  # samples per encoder frame: kernels 127, 7, 3
CENTRE = RECEPTIVE_FIELD / 2

WINDOW_FRAMES = 96  # encoder frames in the moving window, 2.3 s
OVERLAP = 4  # windows that contain each frame
STEP_FRAMES = WINDOW_FRAMES // OVERLAP
STEP = STEP_FRAMES * HOP  # samples by which the window moves


class Moonshine(SpeechModel):
    """Features (1, T, 289): Moonshine tiny's encoder, linearly resampled from 41.7 to 50 per second, and `loudness`."""

    name, layers, width = MOONSHINE, 1, WIDTH + 1

    def __init__(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        # Spinning threads would take processor time from other processes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(_encoder_path(), options, providers=["CPUExecutionProvider"])

    def _extract(self, window: Window, level: Level) -> np.ndarray:
        # Silence before the signal lets the first frames, too, be averaged over all positions in the moving window.
        lead = (WINDOW_FRAMES * HOP) - STEP
        frames = window.offset + np.arange(window.frames)
        # The frames' centres, in encoder frames; the first of these begins `lead` samples before the signal.
        positions = ((frames + 0.5) * FRAME_SAMPLES + lead - CENTRE) / HOP
        encoded = self._moving_average(window.samples, lead, count=int(positions[-1]) + 2)
        below = positions.astype(int)
        share = (positions - below)[:, None]
        resampled = encoded[below] * (1 - share) + encoded[below + 1] * share
        return np.column_stack([resampled, loudness(window, level)])[None]

    def _moving_average(self, samples: np.ndarray, lead: int, count: int) -> np.ndarray:
        """At least `count` encoder frames (n, 288) of the signal after `lead` samples of silence."""
        length = (WINDOW_FRAMES - 1) * HOP + RECEPTIVE_FIELD
        steps = -(-count // STEP_FRAMES)
        signal = np.zeros((steps - 1) * STEP + length, np.float32)
        samples = samples[: len(signal) - lead]
        signal[lead : lead + len(samples)] = samples
        hann = np.sin(np.pi * (np.arange(WINDOW_FRAMES) + 0.5) / WINDOW_FRAMES)[:, None] ** 2
        weights = hann * (2 / OVERLAP)  # those of overlapping windows sum to 1
        average = np.zeros(((steps - 1) * STEP_FRAMES + WINDOW_FRAMES, WIDTH), np.float32)
        for step in range(steps):
            encoded = self._encode(signal[step * STEP :][:length])
            average[step * STEP_FRAMES :][:WINDOW_FRAMES] += weights * encoded
        return average

    def _encode(self, signal: np.ndarray) -> np.ndarray:
        """Encoder frames (t, 288) of one signal (n,). As exported, the encoder mixes the signals of a batch."""
        batch = signal[None]
        inputs = {"input_values": batch, "attention_mask": np.ones(batch.shape, np.int64)}
        return self._session.run(["last_hidden_state"], inputs)[0][0]


def _encoder_path() -> Path:
    package = importlib.util.find_spec("moonshine_voice")
    path = Path(package.origin).parent / "assets" / "tiny-en" / "encoder_model.ort" if package else None
    if path is None or not path.is_file():
        raise DataError(
            "cannot open speech model 'moonshine': the package moonshine-voice 0.0.49 is not installed; "
            "use --model mel or a HuBERT"
        )
    return path
