"""From a sound file to a file of speech features, piece by piece: memory does not grow with the sound's length."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.arrays import write_speech
from dd_tools.media.audio import SAMPLE_RATE, read_audio_blocks
from dd_tools.speech.features import Level, SpeechModel, collapse, measure
from dd_tools.speech.windows import frame_count

SHORTEST = 0.1  # seconds


def write_features(
    model: SpeechModel,
    source: Path,
    target: str | Path,
    *,
    layer_weights: np.ndarray | None = None,
    progress: Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]] = iter,
) -> Level:
    """Write the features (L, T, D) of a sound or video file to `target` (``-``: standard output); returns the sound's
    level.

    layer_weights (L,): write the weighted sum of the layers instead (1, T, D), see `collapse`. progress: wraps the
    pieces. Raises `DataError` if there is no sound, or less than 0.1 s.
    """
    level = measure(read_audio_blocks(source))
    check_level(level, source)
    pieces = progress(model.stream(read_audio_blocks(source), level))
    layers = model.layers
    if layer_weights is not None:
        layers, pieces = 1, (collapse(piece, layer_weights) for piece in pieces)
    write_speech(target, pieces, (layers, frame_count(level.samples), model.width))
    return level


def check_level(level: Level, source: Path) -> None:
    """Raise `DataError` if the sound file `source`, of this level, is too short to hold speech, or silent."""
    if level.samples < SHORTEST * SAMPLE_RATE:
        seconds = level.samples / SAMPLE_RATE
        raise DataError(f"cannot use '{source}': {seconds:.3f} s of sound, expected {SHORTEST} s or more")
    if level.is_silent:
        raise DataError(f"cannot use '{source}': it is silent throughout (below -80 dB)")
