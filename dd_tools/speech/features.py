"""What all speech models share, and the one way to open them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from dd_tools.speech.windows import Window, windows

MEL, MOONSHINE = EMBEDDED = "mel", "moonshine"
DEFAULT_MODEL = MOONSHINE
TELLING_LOUDNESS = (MOONSHINE,)  # whose last value is the voice's `loudness`

QUIETEST_SPEECH = 1e-4  # RMS, −80 dB below full scale


class Level(NamedTuple):
    """Statistics of a whole signal. samples: its length."""

    samples: int
    mean: float
    variance: float

    @property
    def is_silent(self) -> bool:
        """Whether nothing in the signal could be speech."""
        return self.variance < QUIETEST_SPEECH**2

    def normalise(self, samples: np.ndarray) -> np.ndarray:
        """Samples scaled so that the whole signal has zero mean and unit variance (utterance normalisation)."""
        return ((samples - self.mean) / math.sqrt(self.variance + 1e-7)).astype(np.float32)


def measure(blocks: Iterable[np.ndarray]) -> Level:
    """The statistics of a signal given as blocks (n,), in one pass."""
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        count += len(block)
        total += float(block.sum(dtype=np.float64))
        squares += float(np.square(block, dtype=np.float64).sum())
    mean = total / max(count, 1)
    return Level(count, mean, max(squares / max(count, 1) - mean**2, 0.0))


class SpeechModel(ABC):
    """Turns a voice into features (L, T, D): L layers, T = `frame_count` frames at 50 a second, D values.

    name: what `open_speech_model` opens it by. layers: L. width: D.
    """

    name: str
    layers: int
    width: int

    @property
    def tells_loudness(self) -> bool:
        """Whether the last value is the voice's loudness."""
        return self.name in TELLING_LOUDNESS

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Features float16 (L, T, D) of a whole signal float32 (N,), N ≥ 1, 16 kHz mono."""
        return np.concatenate(list(self.stream([samples], measure([samples]))), axis=1)

    def stream(self, blocks: Iterable[np.ndarray], level: Level) -> Iterator[np.ndarray]:
        """The same for a signal in blocks (n,) whose statistics are known: consecutive pieces float16 (L, t, D)."""
        for window in windows(blocks):
            yield self._describe(window, level).astype(np.float16)

    @abstractmethod
    def _describe(self, window: Window, level: Level) -> np.ndarray:
        """The wanted frames of one window (L, window.frames, D); level: of the whole signal."""


def open_speech_model(
    name: str, *, device: str = "cpu", message: Callable[[str], None] = lambda _: None
) -> SpeechModel:
    """A speech model by name: ``mel``, ``moonshine``, or a folder or hub name of a HuBERT-like `transformers` model.

    device: where a HuBERT computes, as torch names it. message: is told before anything is downloaded. Raises
    `DataError` where the model cannot be had.
    """
    if name == MEL:
        from dd_tools.speech.mel import LogMel

        return LogMel()
    if name == MOONSHINE:
        from dd_tools.speech.moonshine import Moonshine

        return Moonshine()
    from dd_tools.speech.hubert import open_hubert

    return open_hubert(name, device=device, message=message)


def collapse(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The sum over layers of features (L, T, D), weighted by the softmax of a motion model's `weights` (L,): float16
    (1, T, D)."""
    shares = np.exp(weights - weights.max(), dtype=np.float32)
    return np.tensordot(shares / shares.sum(), features.astype(np.float32), 1)[None].astype(np.float16)
