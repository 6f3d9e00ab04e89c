"""From an audio file to a file of speech features, in pieces: memory does not grow with the length of the audio."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.arrays import write_speech
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.audio import BLOCK_SECONDS, SAMPLE_RATE, read_audio_blocks
from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.features import Level, SpeechModel, measure_level, sum_layers
from dd_tools.speech.windows import frame_count

MIN_SECONDS = 0.1


def write_features(
    model: SpeechModel,
    source: Path,
    target: str | Path,
    *,
    layer_weights: np.ndarray | None = None,
    level: Level | None = None,
    samples: int | None = None,
    channel: int | None = None,
    report: Reporter = SILENT,
) -> None:
    """Write the features (L, T, D) of an audio or video file to `target`, ``-`` for standard output.

    layer_weights: if given, the weighted sum of the layers is written instead, (1, T, D), see `sum_layers`.
    level: the audio's statistics, if known, which saves a pass over it. samples: number of samples at 16 kHz to
    process; the audio is cut or padded with silence to this length. channel: see `read_audio_blocks`. Raises
    `DataError` as `usable_level` does, if `target` cannot be written, and if `source` changes meanwhile.
    """
    inputs = Snapshot(source)
    level = level or usable_level(source, channel, report)
    samples = level.samples if samples is None else samples
    blocks = fit_length(read_audio_blocks(source, channel=channel), samples)
    pieces = report.progress(model.stream(blocks, level), None, source.name)
    layers = model.layers
    if layer_weights is not None:
        layers, pieces = 1, (sum_layers(piece, layer_weights) for piece in pieces)
    write_speech(target, _then_check(pieces, inputs), (layers, frame_count(samples), model.width))


def _then_check(pieces: Iterable[np.ndarray], inputs: Snapshot) -> Iterator[np.ndarray]:
    yield from pieces
    inputs.check()


def usable_level(source: Path, channel: int | None = None, report: Reporter = SILENT) -> Level:
    """The level of the audio of a file; says what of it cannot be decoded.

    channel: see `read_audio_blocks`. Raises `DataError` if there is no audio, less than 0.1 s, or only silence.
    """
    level = measure_level(read_audio_blocks(source, channel=channel, on_damage=report.say))
    if level.samples < MIN_SECONDS * SAMPLE_RATE:
        seconds = level.samples / SAMPLE_RATE
        raise DataError(f"cannot use '{source}': {seconds:.3f} s of audio, expected {MIN_SECONDS} s or more")
    if level.is_silent:
        raise DataError(f"cannot use '{source}': silent throughout (below -80 dB)")
    return level


def fit_length(blocks: Iterable[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """A signal in blocks (n,), cut or padded with zeros to `samples` samples in total."""
    for block in blocks:
        yield block[:samples]
        samples -= min(samples, len(block))
        if not samples:
            return
    while samples:
        count = min(samples, BLOCK_SECONDS * SAMPLE_RATE)
        yield np.zeros(count, np.float32)
        samples -= count
