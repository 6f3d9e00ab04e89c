"""What is computed from every clip once and drawn from again and again, in a temporary file instead of in memory."""

import os
import tempfile
from collections.abc import Callable, Sequence

import numpy as np

from dd_tools.errors import DataError, reason


class TemporaryRows:
    """Rows of numbers of every clip, by index, computed when a clip is first drawn.

    They are kept in a file without a name in the folder of temporary files. Loader processes that are forked share it,
    and the system keeps as much of it in memory as there is room for.

    counts: rows of every clip. dtype: of a row. compute: takes the index of a clip and returns its rows (N, ...).
    Raises `DataError` if the file cannot be written or read, and `ValueError` for another number of rows than the
    clip's count: they would overwrite those of the next clip.
    """

    def __init__(self, counts: Sequence[int], dtype: np.dtype, compute: Callable[[int], np.ndarray]):
        self._compute, self._dtype = compute, dtype
        # First a byte for every clip, whether its rows are there, then the rows.
        self._places = len(counts) + dtype.itemsize * np.concatenate([[0], np.cumsum(counts)])
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as the training

    def __getitem__(self, clip: int) -> np.ndarray:
        """The rows of a clip."""
        start, end = map(int, self._places[clip : clip + 2])
        if self._read(clip, 1) == b"\1":
            return np.frombuffer(self._read(start, end - start), self._dtype.base).reshape(-1, *self._dtype.shape)
        rows = np.ascontiguousarray(self._compute(clip), self._dtype.base)
        if rows.nbytes != end - start:
            raise ValueError(f"clip {clip}: {len(rows)} rows, expected {(end - start) // self._dtype.itemsize}")
        self._write(rows.tobytes(), start)
        self._write(b"\1", clip)
        return rows

    def _read(self, place: int, size: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), size, place)
        except OSError as error:
            raise DataError(f"cannot read temporary files in '{tempfile.gettempdir()}': {reason(error)}") from None

    def _write(self, content: bytes, place: int) -> None:
        folder = tempfile.gettempdir()
        try:
            written = os.pwrite(self._file.fileno(), content, place)
        except OSError as error:
            raise DataError(f"cannot write temporary files to '{folder}': {reason(error)}; set TMPDIR") from None
        if written < len(content):
            raise DataError(f"cannot write temporary files to '{folder}': no space left on device; set TMPDIR")

    def __getstate__(self) -> dict:
        """For loader processes that are not forked: each has a file of its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_file"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__ |= state
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as the training
