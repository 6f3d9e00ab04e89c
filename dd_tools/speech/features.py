"""The interface of speech models, and what they share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from dd_tools.errors import DataError
from dd_tools.speech.windows import Window, windows

MEL, WHISPER = "mel", "whisper"
SHIPPED_MODELS = (MEL, WHISPER)
DEFAULT_MODEL = WHISPER
MODELS_WITH_LOUDNESS = (WHISPER,)  # models whose last feature is `dd_tools.speech.loudness.loudness`
REMOVED_MODELS = ("moonshine",)  # of earlier versions; weights of motion models name them

MAX_FLOAT16 = float(np.finfo(np.float16).max)

MIN_SPEECH_RMS = 1e-4  # 80 dB below full scale


def check_not_removed(name: str) -> None:
    """Raise `DataError` for a speech model that only earlier versions had."""
    if name in REMOVED_MODELS:
        raise DataError(
            f"speech model '{name}' is no longer part of dd_tools; motion models that need it must be trained "
            f"again, with features of '{DEFAULT_MODEL}'"
        )


class Level(NamedTuple):
    """Statistics of a whole signal.

    samples: its number of samples.
    mean: mean of the samples.
    variance: variance of the samples.
    """

    samples: int
    mean: float
    variance: float

    @property
    def is_silent(self) -> bool:
        """Whether the signal is too quiet to contain speech."""
        return self.variance < MIN_SPEECH_RMS**2

    def normalise(self, samples: np.ndarray) -> np.ndarray:
        """Scale samples so that the whole signal has zero mean and unit variance (utterance normalisation)."""
        return ((samples - self.mean) / math.sqrt(self.variance + 1e-7)).astype(np.float32)


def measure_level(blocks: Iterable[np.ndarray]) -> Level:
    """The statistics of a signal given as blocks (n,), in one pass."""
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        count += len(block)
        total += float(block.sum(dtype=np.float64))
        squares += float(np.square(block, dtype=np.float64).sum())
    mean = total / max(count, 1)
    return Level(count, mean, max(squares / max(count, 1) - mean**2, 0.0))


class SpeechModel(ABC):
    """Computes features (L, T, D) of speech: L layers, T frames at 50 per second, D values.

    name: what `registry.open_speech_model` opens it by.
    layers: L.
    width: D.
    """

    name: str
    layers: int
    width: int

    @property
    def has_loudness(self) -> bool:
        """Whether the last feature is the loudness."""
        return self.name in MODELS_WITH_LOUDNESS

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Features float16 (L, T, D) of a whole signal, float32 (N,), N ≥ 1, mono at 16 kHz; T = `frame_count(N)`."""
        return np.concatenate(list(self.stream([samples], measure_level([samples]))), axis=1)

    def stream(self, blocks: Iterable[np.ndarray], level: Level) -> Iterator[np.ndarray]:
        """As `features`, for a signal in blocks (n,) with statistics `level`: consecutive pieces float16 (L, t, D)."""
        for window in windows(blocks):
            yield self._extract(window, level).clip(-MAX_FLOAT16, MAX_FLOAT16).astype(np.float16)

    @abstractmethod
    def _extract(self, window: Window, level: Level) -> np.ndarray:
        """Features (L, window.frames, D) of one window. level: statistics of the whole signal."""


def sum_layers(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum over the layers of features (L, T, D), weighted by the layer weights of a motion model: float16 (1, T, D).

    weights: (L, D), or (L, 1) if they are the same for all values of a layer.
    """
    return (features.astype(np.float32) * weights[:, None]).sum(0, keepdims=True).astype(np.float16)
