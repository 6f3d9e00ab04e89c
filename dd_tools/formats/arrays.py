"""Speech features, latents and motion: one bare NPY array a file, or through a pipe where the name is ``-``."""

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output

PIPE = "-"

SPEECH_RATE = 50  # speech feature frames a second
LATENT_RATE = 25  # latents a second


def read_speech(path: str | Path) -> np.ndarray:
    """Speech features (L, T, D) float16: L layers, T frames at `SPEECH_RATE`, D features. Raises `DataError`.

    A file is mapped, not loaded (an hour of HuBERT-large is 9 GB): read-only, and read from disk where it is used.
    """
    return _read(path, ("L layers", "T frames", "D features"), mapped=True).astype(np.float16, copy=False)


def read_latents(path: str | Path) -> np.ndarray:
    """Latents (T, Z) float32, T frames at `LATENT_RATE`. Raises `DataError`."""
    return _read(path, ("T frames", "Z values")).astype(np.float32, copy=False)


def read_array(path: str | Path, axes: tuple[str, ...]) -> np.ndarray:
    """Any finite numeric array with one dimension for each name in `axes`. Raises `DataError`."""
    return _read(path, axes)


def evenly_spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` of rows (N, ...), evenly from the first to the last; all of fewer, and of one the first."""
    return rows[np.unique(np.rint(np.linspace(0, len(rows) - 1, min(count, len(rows)))).astype(int))]


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write `array` as NPY to a file (atomically) or, for ``-``, to standard output."""
    if str(path) == PIPE:
        _write_to_pipe(array)
        return
    with atomic_output(path) as temporary, open(temporary, "wb") as stream:
        _save(stream, array)


def _write_to_pipe(array: np.ndarray) -> None:
    try:
        _save(sys.stdout.buffer, array)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What is left in the buffer would fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise DataError(f"cannot write to standard output: {error.strerror}") from None


def _save(stream: BinaryIO, array: np.ndarray) -> None:
    """As `numpy.save`, which writes into files past Python's buffers and does not notice when the disk is full."""
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    stream.write(array.data)


def write_speech(path: str | Path, pieces: Iterable[np.ndarray], shape: tuple[int, int, int]) -> None:
    """Write speech features of `shape` (L, T, D) as float16 NPY from consecutive `pieces` (L, t, D), never holding all
    of them (except for ``-``, standard output)."""
    if str(path) == PIPE:
        write_array(path, np.concatenate(list(pieces), axis=1).astype(np.float16, copy=False))
        return
    layers, frames, width = shape
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    with atomic_output(path) as temporary, open(temporary, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        begin, done = stream.tell(), 0
        for piece in pieces:
            for layer in range(layers):
                stream.seek(begin + 2 * width * (layer * frames + done))
                stream.write(piece[layer].astype("<f2", copy=False).tobytes())
            done += piece.shape[1]


def _read(path: str | Path, axes: tuple[str, ...], mapped: bool = False) -> np.ndarray:
    name = "standard input" if str(path) == PIPE else f"'{path}'"
    wanted = f"({', '.join(axes)})"
    try:
        if str(path) == PIPE:
            array = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
        else:
            array = np.load(path, allow_pickle=False, mmap_mode="r" if mapped else None)
    except FileNotFoundError:
        raise DataError(f"cannot read {name}: no such file") from None
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror or 'not an NPY file, or truncated'}") from None
    except (ValueError, EOFError):
        raise DataError(f"cannot read {name}: not an NPY array file, or truncated") from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"cannot read {name}: an NPZ archive where one NPY array {wanted} is expected")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise DataError(f"cannot read {name}: holds {array.dtype}, expected numbers {wanted}")
    if array.ndim != len(axes):
        raise DataError(f"cannot read {name}: shape {array.shape}, expected {wanted}")
    if 0 in array.shape:
        raise DataError(f"cannot read {name}: empty, shape {array.shape}, expected {wanted}")
    if not all(np.isfinite(part).all() for part in array):
        raise DataError(f"cannot read {name}: holds NaN or infinite values")
    return array
