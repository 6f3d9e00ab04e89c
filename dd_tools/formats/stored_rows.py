"""Where the rows of an HDF5 dataset lie in its file, and their reading without HDF5.

To read one frame through HDF5 takes twice as long as to decompress it, and to open a file ten times as long. HDF5 also
decompresses whatever a chunk holds, however much that is, and follows a dataset into other files.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dd_tools.errors import DataError, first_line, reason

CACHE_BYTES = 1 << 21  # of the rows read last, as a frame is read several times while it is painted
MAX_RATIO = 1032  # bytes that one byte of a deflate stream can become


def damaged(path: Path, error: Exception) -> DataError:
    """The error to raise for a clip file at `path` in which something is wrong. error: says what.

    If it comes from the operating system, such as one for too many open files, it says nothing about the file.
    """
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"cannot read '{path}': {reason(error)}")
    return DataError(f"cannot read '{path}': damaged clip file ({first_line(error)})")


@dataclass(frozen=True)
class StoredRows:
    """A dataset of rows, stored in chunks of whole rows, with or without gzip.

    shape, dtype: of one row. length: number of rows. rows: in a chunk. offsets, sizes int64 (chunks,): place of each
    chunk in the file. compressed: whether the chunks are. limit: the largest value that is valid; None for any.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    length: int
    rows: int
    offsets: np.ndarray
    sizes: np.ndarray
    compressed: bool
    limit: int | None = None

    def read(self, file: BinaryIO, index: int) -> np.ndarray:
        """The row number `index`, from the file, opened for reading. Raises `ValueError` if it is damaged."""
        values = np.frombuffer(self._read(file, index, 1), self.dtype).reshape(self.shape)
        if self.limit is not None and values.max() > self.limit:
            raise ValueError(f"frame {index}: value {values.max()}, expected 0 to {self.limit}")
        return values

    def read_all(self, file: BinaryIO) -> np.ndarray:
        """All rows (length, ...). Raises `ValueError` if one is damaged."""
        starts = range(0, self.length, self.rows)
        parts = (self._read(file, start, min(self.rows, self.length - start)) for start in starts)
        return np.frombuffer(bytearray().join(parts), self.dtype).reshape(self.length, *self.shape)

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def _read(self, file: BinaryIO, index: int, count: int) -> bytes:
        """The bytes of `count` rows from number `index`, all in one chunk."""
        chunk, row = divmod(index, self.rows)
        start, wanted = row * self._row_bytes, count * self._row_bytes
        offset, size = int(self.offsets[chunk]), int(self.sizes[chunk])
        if self.compressed:
            content = _decompressed(_read_at(file, offset, size), start + wanted, row + count == self.rows, index)
            content = content[start:] if start else content
        else:
            content = _read_at(file, offset + start, wanted)
        if len(content) != wanted:
            raise ValueError(f"frame {index}: {len(content)} bytes, expected {wanted}")
        return content


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _decompressed(content: bytes, size: int, is_all: bool, index: int) -> bytes:
    """The first `size` bytes of a chunk; one more, which is too much, if it should have no more than these (`is_all`).

    So a damaged file cannot ask for more memory than that.
    """
    try:
        return zlib.decompressobj().decompress(content, size + is_all)
    except zlib.error as error:
        raise ValueError(f"frame {index}: {error}") from None


class RowReader(Sequence):
    """The rows of an open clip file as a sequence, read when they are asked for. Raises `DataError` for a damaged one.

    path: of the file, for messages.
    """

    def __init__(self, stored: StoredRows, file: BinaryIO, path: Path):
        self.stored, self._file, self._path = stored, file, path
        row_bytes = math.prod(stored.shape) * stored.dtype.itemsize
        self._recent: dict[int, np.ndarray] = {}  # the rows read last, the latest at the end
        self._capacity = max(1, CACHE_BYTES // row_bytes)
        self.shape, self.dtype = (stored.length, *stored.shape), stored.dtype

    def __len__(self) -> int:
        return self.stored.length

    def __getitem__(self, index: int | slice | Iterable[int]) -> np.ndarray:
        """One row, or the rows (N, ...) of a slice or of indices (N,)."""
        if isinstance(index, int | np.integer):
            return self._row(range(len(self))[index]).copy()
        numbers = range(len(self))[index] if isinstance(index, slice) else index
        rows = [self[int(number)] for number in numbers]
        return np.stack(rows) if rows else np.empty((0, *self.stored.shape), self.dtype)

    def _row(self, index: int) -> np.ndarray:
        self._recent[index] = row = self._recent.pop(index) if index in self._recent else self._read(index)
        if len(self._recent) > self._capacity:
            del self._recent[next(iter(self._recent))]
        return row

    def _read(self, index: int) -> np.ndarray:
        try:
            return self.stored.read(self._file, index)
        except (OSError, ValueError) as error:
            raise damaged(self._path, error) from None
