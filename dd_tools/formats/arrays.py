"""Speech features, latents and motion: one NPY array per file, or through a pipe if the name is ``-``.

The array is bare, without settings or history, so that it can go through a pipe.
"""

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

SPEECH_RATE = 50  # frames of speech features per second
LATENT_RATE = 25  # latents per second

_NOT_NPY = "not an NPY array file, or truncated"


def read_speech(path: str | Path) -> np.ndarray:
    """Read speech features, float16 (L, T, D): L layers, T frames at `SPEECH_RATE`, D features.

    A float16 file is memory-mapped and read-only, because an hour of HuBERT-large is 9 GB. Raises `DataError` as
    `read_array` does.
    """
    return _read(path, ("L layers", "T frames", "D features"), mapped=True).astype(np.float16, copy=False)


def read_latents(path: str | Path) -> np.ndarray:
    """Read latents, float32 (T, Z): T frames at `LATENT_RATE`, Z values. Raises `DataError` as `read_array` does."""
    return _read(path, ("T frames", "Z values")).astype(np.float32, copy=False)


def read_array(path: str | Path, axes: tuple[str, ...]) -> np.ndarray:
    """Read an array of numbers. axes: a name for each dimension, for messages.

    Raises `DataError` if there is no such file, if it is not one NPY array, for another number of dimensions, for an
    empty array, and for NaN and infinite values.
    """
    return _read(path, axes)


def evenly_spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """Select `count` evenly spaced rows (N, ...), including the first and the last.

    Returns all rows if there are fewer, and the first row if `count` is 1.
    """
    return rows[np.unique(np.rint(np.linspace(0, len(rows) - 1, min(count, len(rows)))).astype(int))]


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write `array` as NPY to a file, atomically, or to standard output for ``-``.

    Raises `DataError` if that fails.
    """
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
        # Python flushes the rest of the buffer at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise DataError(f"cannot write to standard output: {str(error.strerror).lower()}") from None


def _save(stream: BinaryIO, array: np.ndarray) -> None:
    """Write NPY through Python's buffers. `numpy.save` bypasses them for files and does not notice a full disk."""
    array = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
    stream.write(array.data)


def write_speech(path: str | Path, pieces: Iterable[np.ndarray], shape: tuple[int, int, int]) -> None:
    """Write speech features piece by piece as float16 NPY, atomically, or to standard output for ``-``.

    pieces: consecutive arrays (L, t, D). A file needs the memory of one piece, standard output that of the whole.
    shape: (L, T, D) of the whole. Raises `DataError` if writing fails.
    """
    if str(path) == PIPE:
        write_array(path, np.concatenate(list(pieces), axis=1).astype(np.float16, copy=False))
        return
    layers, frames, width = shape
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    with atomic_output(path) as temporary, open(temporary, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        data_start, done = stream.tell(), 0
        for piece in pieces:
            for layer in range(layers):
                stream.seek(data_start + 2 * width * (layer * frames + done))
                stream.write(piece[layer].astype("<f2", copy=False).tobytes())
            done += piece.shape[1]


def _read(path: str | Path, axes: tuple[str, ...], mapped: bool = False) -> np.ndarray:
    name = "standard input" if str(path) == PIPE else f"'{path}'"
    array = _load(path, name, mapped)
    expected = f"({', '.join(axes)})"
    if not isinstance(array, np.ndarray):
        raise DataError(f"cannot read {name}: an NPZ archive, expected one NPY array {expected}")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise DataError(f"cannot read {name}: holds {array.dtype}, expected numbers {expected}")
    if array.ndim != len(axes):
        raise DataError(f"cannot read {name}: shape {array.shape}, expected {expected}")
    if 0 in array.shape:
        raise DataError(f"cannot read {name}: empty, shape {array.shape}, expected {expected}")
    if not all(np.isfinite(part).all() for part in array):
        raise DataError(f"cannot read {name}: holds NaN or infinite values")
    return array


def _load(path: str | Path, name: str, mapped: bool) -> np.ndarray | np.lib.npyio.NpzFile:
    try:
        if str(path) == PIPE:
            return np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
        return np.load(path, allow_pickle=False, mmap_mode="r" if mapped else None)
    except FileNotFoundError:
        raise DataError(f"cannot read {name}: no such file") from None
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror.lower() if error.strerror else _NOT_NPY}") from None
    except (ValueError, EOFError):
        raise DataError(f"cannot read {name}: {_NOT_NPY}") from None
