"""From a sound file to a file of speech features, piece by piece: memory does not grow with the sound's length."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.arrays import write_speech
from dd_tools.media.audio import BLOCK_SECONDS, SAMPLE_RATE, read_audio_blocks
from dd_tools.speech.features import Level, SpeechModel, collapse, measure
from dd_tools.speech.windows import frame_count

SHORTEST = 0.1  # seconds


def write_features(
    model: SpeechModel,
    source: Path,
    target: str | Path,
    *,
    layer_weights: np.ndarray | None = None,
    level: Level | None = None,
    samples: int | None = None,
    progress: Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]] = iter,
) -> None:
    """Write the features (L, T, D) of a sound or video file to `target` (``-``: standard output).

    layer_weights (L,): write the weighted sum of the layers instead (1, T, D), see `collapse`. level: the sound's,
    where it is known, which saves a pass over it. samples: hear so many of the sound, or silence after it. progress:
    wraps the pieces. Raises `DataError` as `usable_level` does.
    """
    level = level or usable_level(source)
    samples = level.samples if samples is None else samples
    pieces = progress(model.stream(fitted(read_audio_blocks(source), samples), level))
    layers = model.layers
    if layer_weights is not None:
        layers, pieces = 1, (collapse(piece, layer_weights) for piece in pieces)
    write_speech(target, pieces, (layers, frame_count(samples), model.width))


def usable_level(source: Path) -> Level:
    """The level of a sound or video file. Raises `DataError` if it has no sound, less than 0.1 s of it, or silence."""
    level = measure(read_audio_blocks(source))
    if level.samples < SHORTEST * SAMPLE_RATE:
        seconds = level.samples / SAMPLE_RATE
        raise DataError(f"cannot use '{source}': {seconds:.3f} s of sound, expected {SHORTEST} s or more")
    if level.is_silent:
        raise DataError(f"cannot use '{source}': it is silent throughout (below -80 dB)")
    return level


def fitted(blocks: Iterable[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """A signal in blocks (n,), cut or followed by zeros so that it has so many samples in all."""
    for block in blocks:
        yield block[:samples]
        samples -= min(samples, len(block))
        if not samples:
            return
    while samples:
        count = min(samples, BLOCK_SECONDS * SAMPLE_RATE)
        yield np.zeros(count, np.float32)
        samples -= count
