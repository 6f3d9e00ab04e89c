"""Where the frames of a clip lie in its file, so that any of them can be read without HDF5.

To read one frame through HDF5 takes twice as long as to decompress it, and to open a file ten times as long. Training
reads single frames of many files.
"""

import math
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import h5py
import numpy as np


@dataclass(frozen=True)
class StoredFrames:
    """One dataset of T frames, one frame a chunk, compressed with gzip, as `ClipWriter` makes them.

    shape: of one frame, uint8. offsets int64 (T,), sizes int32 (T,): place of its compressed bytes in the file; the
    size is 0 for a frame that was never written.
    """

    shape: tuple[int, ...]
    offsets: np.ndarray
    sizes: np.ndarray

    def read(self, file: BinaryIO, index: int) -> np.ndarray:
        """The frame number `index`, from the clip file, opened for reading. Raises `ValueError` if it is damaged."""
        size = int(self.sizes[index])
        if not size:
            return np.zeros(self.shape, np.uint8)
        file.seek(int(self.offsets[index]))
        count = math.prod(self.shape)
        try:
            # One byte more than a frame has is too much, so a damaged file cannot ask for more memory than that.
            pixels = zlib.decompressobj().decompress(file.read(size), count + 1)
        except zlib.error as error:
            raise ValueError(f"frame {index}: {error}") from None
        if len(pixels) != count:
            raise ValueError(f"frame {index}: {len(pixels)} bytes, expected {count}")
        return np.frombuffer(pixels, np.uint8).reshape(self.shape)


def locate_frames(dataset: h5py.Dataset) -> StoredFrames | None:
    """Where the frames of a dataset (T, ...) lie; None if another program has stored it in another way."""
    if not _is_stored_by_frame(dataset):
        return None
    offsets, sizes = np.zeros(len(dataset), np.int64), np.zeros(len(dataset), np.int32)
    filtered = []

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        offsets[chunk.chunk_offset[0]], sizes[chunk.chunk_offset[0]] = chunk.byte_offset, chunk.size
        filtered.append(chunk.filter_mask == 0)

    dataset.id.chunk_iter(note)
    return StoredFrames(dataset.shape[1:], offsets, sizes) if all(filtered) else None


def _is_stored_by_frame(dataset: h5py.Dataset) -> bool:
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    return (
        dataset.chunks == (1, *dataset.shape[1:])
        and filters == [h5py.h5z.FILTER_DEFLATE]
        and dataset.file.userblock_size == 0
    )
