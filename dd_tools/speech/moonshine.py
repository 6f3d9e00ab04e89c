"""The encoder of Moonshine, a small speech recogniser, which the wheel `moonshine-voice` carries: the default speech
model.

The encoder gives 288 values every 384 samples and writes into some of them where in its input a frame lies, which no
longer means anything in a long or a cut recording. So it looks through a short window that moves in small steps, and
every frame is the mean of what it was at several places in the window: features then hardly depend on where a
recording begins, and do not at all on how it was cut into pieces. Lip aperture is predicted from them as well as from
one pass (the benchmark `tests/benchmarks/speech_features.py`). How loud the voice is comes with them: a recogniser that
knows one language takes another's pauses for sounds.
"""

import importlib.util
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.speech.features import MOONSHINE, Level, SpeechModel
from dd_tools.speech.loudness import loudness
from dd_tools.speech.windows import FRAME, Window

WIDTH = 288
HOP = 384  # samples between the encoder's frames: strides 64 · 3 · 2
REACH = 895  # samples one frame sees: kernels 127, 7, 3
CENTRE = REACH / 2

VIEW = 96  # encoder frames the moving window holds, 2.3 s
VIEWS = 4  # windows that see each frame
STEP = VIEW // VIEWS * HOP  # samples the window moves


class Moonshine(SpeechModel):
    """Features (1, T, 289): what the encoder of Moonshine tiny gives, resampled linearly in time from 41.7 to 50 a
    second, and the `loudness`.
    """

    name, layers, width = MOONSHINE, 1, WIDTH + 1

    def __init__(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # spinning threads starve other processes
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(_encoder_path(), options, providers=["CPUExecutionProvider"])

    def _describe(self, window: Window, level: Level) -> np.ndarray:
        # Silence before and after, so that the outermost frames too are seen at every place in the moving window.
        lead = (VIEW * HOP) - STEP
        wanted = window.offset + np.arange(window.frames)
        # Where the wanted frames' centres lie on the encoder's own grid, which begins `lead` samples before the signal.
        places = ((wanted + 0.5) * FRAME + lead - CENTRE) / HOP
        track = self._moving_view(window.samples, lead, count=int(places[-1]) + 2)
        below = places.astype(int)
        share = (places - below)[:, None]
        heard = track[below] * (1 - share) + track[below + 1] * share
        return np.column_stack([heard, loudness(window, level)])[None]

    def _moving_view(self, samples: np.ndarray, lead: int, count: int) -> np.ndarray:
        """At least `count` encoder frames (n, 288) of the signal with `lead` samples of silence before it."""
        step, length = VIEW // VIEWS, (VIEW - 1) * HOP + REACH
        views = -(-count // step)
        signal = np.zeros((views - 1) * STEP + length, np.float32)
        heard = samples[: len(signal) - lead]
        signal[lead : lead + len(heard)] = heard
        weights = np.sin(np.pi * (np.arange(VIEW) + 0.5) / VIEW)[:, None] ** 2 * (
            2 / VIEWS
        )  # Hann; VIEWS of them sum to 1
        track = np.zeros(((views - 1) * step + VIEW, WIDTH), np.float32)
        for view in range(views):
            track[view * step :][:VIEW] += weights * self._encode(signal[view * STEP :][:length])
        return track

    def _encode(self, signal: np.ndarray) -> np.ndarray:
        """One signal (n,) to the encoder's frames (t, 288). One at a time: as exported, the signals of a batch mix."""
        batch = signal[None]
        inputs = {"input_values": batch, "attention_mask": np.ones(batch.shape, np.int64)}
        return self._session.run(["last_hidden_state"], inputs)[0][0]


def _encoder_path() -> Path:
    package = importlib.util.find_spec("moonshine_voice")
    path = Path(package.origin).parent / "assets" / "tiny-en" / "encoder_model.ort" if package else None
    if path is None or not path.is_file():
        raise DataError(
            "no speech model 'moonshine' here: the package moonshine-voice 0.0.49, which carries it, is not installed; "
            "use --model mel or a HuBERT"
        )
    return path
