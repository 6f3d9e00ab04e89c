"""Speech features, latents and motion: one NPY array per file, or through a pipe if the name is ``-``.

The array is bare, without settings or history, so that it can go through a pipe.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dd_tools.errors import DataError, reason
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.npy import NOT_NPY, Header, read_header, read_values

PIPE = "-"

SPEECH_RATE = 50  # frames of speech features per second
LATENT_RATE = 25  # latents per second


def read_speech(path: str | Path) -> np.ndarray:
    """Read speech features, float16 (L, T, D): L layers, T frames at `SPEECH_RATE`, D features.

    A float16 file is memory-mapped and read-only, because an hour of HuBERT-large is 9 GB. Raises `DataError` as
    `read_array` does.
    """
    return _converted(_read(path, ("L layers", "T frames", "D features"), mapped=True), np.float16, path)


def read_latents(path: str | Path) -> np.ndarray:
    """Read latents, float32 (T, Z): T frames at `LATENT_RATE`, Z values. Raises `DataError` as `read_array` does."""
    return _converted(_read(path, ("T frames", "Z values")), np.float32, path)


def read_array(path: str | Path, axes: tuple[str, ...]) -> np.ndarray:
    """Read an array of numbers. axes: a name for each dimension, for messages.

    Raises `DataError` if there is no such file, if it is not one complete NPY array, for another number of dimensions,
    for an empty array, for anything but integers and floating-point numbers, and for NaN and infinite values.
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
        raise DataError(f"cannot write to standard output: {reason(error)}") from None


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
    try:
        with _opened(path, name) as stream:
            header = read_header(stream)
            _check_header(header, axes)
            array = _read_values(stream, path, header, mapped)
    except ValueError as error:
        raise DataError(f"cannot read {name}: {error}") from None
    if not is_finite(array):
        raise DataError(f"cannot read {name}: holds NaN or infinite values")
    return array


def _check_header(header: Header, axes: tuple[str, ...]) -> None:
    """Raise `ValueError` unless these are numbers with one dimension for each of the `axes`."""
    expected = f"({', '.join(axes)})"
    if header.dtype.kind not in "fiu":
        raise ValueError(f"holds {header.dtype!s:.40}, expected numbers {expected}")
    if len(header.shape) != len(axes):
        raise ValueError(f"shape {header.shape}, expected {expected}")
    if 0 in header.shape:
        raise ValueError(f"empty, shape {header.shape}, expected {expected}")


def _read_values(stream: BinaryIO, path: str | Path, header: Header, mapped: bool) -> np.ndarray:
    """The array. A file must have exactly the size that its header claims."""
    if str(path) != PIPE:
        found = os.fstat(stream.fileno()).st_size - header.start
        if found != header.size:
            raise ValueError(f"{NOT_NPY} ({found} bytes of values, {header.size} expected)")
        if mapped:
            return np.memmap(path, header.dtype, "r", header.start, header.shape, header.order)
    return read_values(stream, header)


def is_finite(array: np.ndarray) -> bool:
    """Whether the array (N, ...) holds no NaN and no infinite value. Needs memory for one of the N parts."""
    return all(np.isfinite(part).all() for part in array)


def _converted(array: np.ndarray, dtype: type, path: str | Path) -> np.ndarray:
    """The array in another type. Raises `DataError` for values that are too large for it."""
    with np.errstate(over="ignore"):
        converted = array.astype(dtype, copy=False)
    if converted is not array and not is_finite(converted):
        raise DataError(f"cannot read '{path}': holds values that are too large for {np.dtype(dtype)}")
    return converted


@contextlib.contextmanager
def _opened(path: str | Path, name: str) -> Iterator[BinaryIO]:
    try:
        if str(path) == PIPE:
            yield sys.stdin.buffer
        else:
            with open(path, "rb") as stream:
                yield stream
    except FileNotFoundError:
        raise DataError(f"cannot read {name}: no such file") from None
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror.lower() if error.strerror else NOT_NPY}") from None
