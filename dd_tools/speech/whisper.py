"""All hidden states of a Whisper model's encoder; that of OpenAI's Whisper tiny.en ships and is the default.

A recogniser's features give better lip motion than log-mel. Whisper takes 30 s at once, to which shorter audio must be
padded, and its features depend on where in these 30 s a sound is. Here the encoder takes a window of 3 s that moves in
steps, what the place in the window alone contributes is subtracted, and each frame is averaged over the windows that
contain it. So the features hardly depend on where a recording begins, and not at all on how it is cut into pieces, and
short recordings are fast. They predict lip aperture almost as well as those of 30 s (see the model card).
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from onnxruntime import InferenceSession

from dd_tools.formats.arrays import read_array
from dd_tools.formats.onnx_network import open_network
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import WHISPER, Level, SpeechModel, measure_level
from dd_tools.speech.loudness import loudness
from dd_tools.speech.mel_bands import band_power, mel_filters
from dd_tools.speech.windows import FRAME_SAMPLES, Window
from dd_tools.weights import shipped_file

STEP = 50  # frames by which the window moves, 1 s
OVERLAP = 3  # windows that contain each frame
WINDOW = OVERLAP * STEP
LEAD = WINDOW - STEP  # frames between the start of a signal's first window and that of the signal
BATCH = 4  # windows that are encoded at once

NOISE_WINDOWS = 12  # of noise, to measure the effect of the place in the window
SYLLABLE_RATE = 4.3  # Hz; windows begin at all phases of a syllable

MEL_PER_FRAME = 2  # the stride of Whisper's convolutions
MEL_HOP = FRAME_SAMPLES // MEL_PER_FRAME
FFT_SAMPLES = 400  # of Whisper's Fourier transforms
# Whisper raises the power of a mel band to at least 8 decades below the loudest. In recordings of speech, the loudest
# is 3.5 decades above the variance: the median of 177 clips, 90 % of which are between 3.1 and 3.8.
LOUDEST, RANGE = 3.5, 8
MIN_POWER = 1e-10

# Hidden states float32 (L, B, WINDOW, C) of log-mel windows float32 (B, bands, MEL_PER_FRAME · WINDOW): the input of
# the first layer and the output of every layer, that of the last after its norm.
Encoder = Callable[[np.ndarray], np.ndarray]


class Whisper(SpeechModel):
    """Features (L, T, D): an encoder's hidden states, and for the model that ships `loudness`, the same in every layer.

    That one has (5, T, 385). Loudness is appended because a recogniser that knows only English mistakes pauses in other
    languages for speech.
    """

    def __init__(self, name: str, encode: Encoder, filters: np.ndarray, effect: np.ndarray):
        """Make a model of an encoder. filters: of the mel bands, see `band_power`. effect: see `place_effect`."""
        self.name = name
        self.layers, _, self._states_width = effect.shape
        self.width = self._states_width + self.has_loudness
        self._encode, self._filters, self._effect = encode, filters, effect

    def _extract(self, window: Window, level: Level) -> np.ndarray:
        count = -(-(window.frames + LEAD) // STEP)  # windows that contain a frame of `window`
        mel = _log_mel(window, (count - 1) * STEP + WINDOW, level, self._filters)
        features = np.zeros((self.layers, count + OVERLAP - 1, STEP, self.width), np.float32)
        states = features[..., : self._states_width]
        for number, parts in enumerate(_weighted_parts(self._encode, mel)):
            states[:, number : number + OVERLAP] += parts
        states -= self._effect[:, None]
        features = features.reshape(self.layers, -1, self.width)[:, LEAD : LEAD + window.frames]
        if self.has_loudness:
            features[..., -1] = loudness(window, level)
        return features


def open_shipped_whisper() -> Whisper:
    """The encoder of Whisper tiny.en. Raises `DataError` if its files are missing or damaged."""
    session = open_network("whisper-tiny.en/encoder", threads=None)
    effect = read_array(shipped_file("whisper-tiny.en/place_effect.npy"), ("L layers", "T frames", "C values"))
    filters = mel_filters(session.get_inputs()[0].shape[1], FFT_SAMPLES)
    return Whisper(WHISPER, encoder_of(session), filters, effect)


def encoder_of(session: InferenceSession) -> Encoder:
    """The encoder in an ONNX file of ``examples/convert/whisper_encoder.py``."""
    return lambda mel: session.run(None, {"mel": mel})[0]


def place_effect(encode: Encoder, filters: np.ndarray) -> np.ndarray:
    """What the places in the windows add to the average hidden states, float32 (L, STEP, C); its mean is zero.

    It repeats with the windows. In the lower layers it is larger than what speech adds. It is measured with noise that
    has the rhythm of syllables, which gives nearly the same as speech.
    """
    frames = (NOISE_WINDOWS - 1) * STEP + WINDOW
    times = np.arange(frames * FRAME_SAMPLES) / SAMPLE_RATE
    envelope = 1 - np.cos(2 * np.pi * SYLLABLE_RATE * times)
    noise = (0.1 * envelope * np.random.default_rng(0).standard_normal(len(times))).astype(np.float32)
    mel = _log_mel(Window(noise, LEAD, frames - 2 * LEAD), frames, measure_level([noise]), filters)
    effect = sum(_weighted_parts(encode, mel)).sum(1) / NOISE_WINDOWS
    return effect - effect.mean(1, keepdims=True)


def _weights() -> np.ndarray:
    """Weights (WINDOW, 1) of a window's frames in the average; those of a frame in all windows sum to 1."""
    places = (np.arange(WINDOW, dtype=np.float32) + 0.5) / WINDOW
    return np.square(np.sin(np.pi * places))[:, None] * np.float32(2 / OVERLAP)


WEIGHTS = _weights()


def _weighted_parts(encode: Encoder, mel: np.ndarray) -> Iterator[np.ndarray]:
    """Hidden states of each window of log-mel (bands, MEL_PER_FRAME · T), in parts (L, OVERLAP, STEP, C), weighted."""
    windows = sliding_window_view(mel, MEL_PER_FRAME * WINDOW, axis=1)[:, :: MEL_PER_FRAME * STEP].swapaxes(0, 1)
    for start in range(0, len(windows), BATCH):
        for states in encode(np.ascontiguousarray(windows[start : start + BATCH])).swapaxes(0, 1):
            yield (states * WEIGHTS).reshape(len(states), OVERLAP, STEP, -1)


def _log_mel(window: Window, frames: int, level: Level, filters: np.ndarray) -> np.ndarray:
    """Log-mel float32 (bands, 2 frames), beginning `LEAD` frames before those of the `window`; the ends are silence.

    It is Whisper's, but for two things. Frame k of Whisper is centred on mel frame 2 k, which here is (k + ½) / 50 s.
    And Whisper raises the power to at least 80 dB below the loudest of its 30 s, so silence would depend on the window
    around it; here the limit depends on the level of the whole signal.
    """
    span = 2 * (len(filters) - 1)
    lead = LEAD * FRAME_SAMPLES + span // 2 - MEL_HOP
    length = frames * FRAME_SAMPLES + span - MEL_HOP
    samples = np.pad(window.samples, (lead, 0))[window.offset * FRAME_SAMPLES :][:length]
    power = band_power(np.pad(samples, (0, length - len(samples))), span, MEL_HOP, filters)
    limit = max(level.variance * 10 ** (LOUDEST - RANGE), MIN_POWER)
    return ((np.log10(np.maximum(power, limit)) + 4) / 4).astype(np.float32).T
