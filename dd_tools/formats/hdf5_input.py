"""HDF5 files of strangers: what is in the file itself is read, and nothing that the file only refers to.

An HDF5 file can name other files whose bytes become its pixels (external storage, external links, virtual datasets),
ask for plug-ins (filters), and claim to hold far more than it does. All of this is refused before anything is read or
memory is taken.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from dd_tools.errors import DataError, reason
from dd_tools.formats.hdf5_source import DamagedHdf5, Hdf5Source
from dd_tools.formats.stored_rows import MAX_RATIO, StoredRows, damaged

MAX_TEXT = 1 << 24  # characters of an attribute


@contextlib.contextmanager
def open_hdf5(path: Path, kind: str, names: tuple[str, ...]) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    kind: what it should be, for messages. names: of its attributes. Raises `DataError` for any other file.
    """
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(Hdf5Source(path, names, MAX_TEXT))
            file = stack.enter_context(h5py.File(source, "r"))
        except DamagedHdf5 as error:
            raise damaged(path, error) from None
        except FileNotFoundError:
            raise DataError(f"cannot read '{path}': no such file") from None
        except (ArithmeticError, LookupError, OSError, RuntimeError, ValueError) as error:
            raise DataError(f"cannot read '{path}': {_reason(error, path, kind)}") from None
        if file.userblock_size:
            raise DataError(f"cannot read '{path}': not a {kind} file")
        yield file


def _reason(error: Exception, path: Path, kind: str) -> str:
    if path.is_dir():
        return "it is a folder"
    if "truncated" in str(error):
        return "truncated HDF5 file"
    return reason(error) if isinstance(error, OSError) and error.strerror else f"not a {kind} file"


def attribute(file: h5py.File, name: str) -> str | int:
    """An attribute of the file that is one text or one integer.

    Raises `KeyError` if there is none, `ValueError` for anything else.
    """
    stored = h5py.h5a.open(file.id, name.encode())
    if stored.shape != () or stored.get_storage_size() > MAX_TEXT:
        raise ValueError(f"attribute {name} is not one value")
    if stored.dtype.kind not in "iu" and h5py.check_string_dtype(stored.dtype) is None:
        raise ValueError(f"attribute {name} is neither a text nor an integer")
    value = file.attrs[name]
    if isinstance(value, np.integer):
        return int(value)
    text = value.decode() if isinstance(value, bytes) else str(value)
    if len(text) > MAX_TEXT:
        raise ValueError(f"attribute {name} has {len(text)} characters")
    return text


def dataset_shape(file: h5py.File, name: str) -> tuple[int, ...]:
    """The shape that the dataset `name` in the root group claims to have. Raises as `stored_rows`, in less time."""
    return _open_dataset(file, name).shape


def stored_rows(file: h5py.File, name: str, limit: int | None = None) -> StoredRows:
    """Where the rows of the dataset `name` in the root group lie in the file. limit: see `StoredRows`.

    Raises `KeyError` if there is no such dataset. Raises `ValueError` if it is a link, if its bytes are in another file
    or in another dataset, if it is compressed with anything but gzip, if its chunks hold parts of rows, if a part of it
    was never written, and if it claims more than the file can hold.
    """
    dataset = _open_dataset(file, name)
    file_bytes = file.id.get_filesize()
    shape, dtype = dataset.shape, dataset.dtype
    if not shape or dtype.kind not in "iuf":
        raise ValueError(f"{name} does not hold numbers in rows")
    compressed = _is_compressed(dataset, name)
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    if shape[0] * row_bytes > file_bytes * (MAX_RATIO if compressed else 1):
        raise ValueError(f"{name} is {shape}, more than a file of {file_bytes} bytes can hold")
    if dataset.get_create_plist().get_layout() == h5py.h5d.CHUNKED:
        rows, offsets, sizes = _chunks(dataset, name, file_bytes)
    else:
        rows, offset = max(1, shape[0]), dataset.get_offset()
        offsets, sizes = (np.array([value], np.int64) for value in (offset or 0, shape[0] * row_bytes))
        if offset is None and shape[0]:
            raise ValueError(f"{name} was never written")
    _check_chunks(name, rows * row_bytes, offsets, sizes, compressed, file_bytes)
    return StoredRows(shape[1:], dtype, shape[0], rows, offsets, sizes, compressed, limit)


def _open_dataset(file: h5py.File, name: str) -> h5py.h5d.DatasetID:
    """The dataset, of which nothing is opened or followed that lies outside the file."""
    link = file.id.links.get_info(name.encode())
    if link.type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name} is a link to somewhere else")
    dataset = h5py.h5d.open(file.id, name.encode())
    properties = dataset.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL:
        raise ValueError(f"{name} is a virtual dataset, made of others")
    if properties.get_external_count():
        raise ValueError(f"{name} is stored in another file")
    if properties.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
        raise ValueError(f"{name} is stored in the header of the file")
    return dataset


def _is_compressed(dataset: h5py.h5d.DatasetID, name: str) -> bool:
    properties = dataset.get_create_plist()
    filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    if filters not in ([], [h5py.h5z.FILTER_DEFLATE]):
        raise ValueError(f"{name} is compressed in another way than with gzip")
    return bool(filters)


def _chunks(dataset: h5py.h5d.DatasetID, name: str, file_bytes: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Rows in a chunk, offsets and sizes of all chunks."""
    shape, chunk = dataset.shape, dataset.get_create_plist().get_chunk()
    if chunk[1:] != shape[1:]:
        raise ValueError(f"{name} is stored in chunks of {chunk}, which are parts of rows")
    count = -(-shape[0] // chunk[0])
    if count > file_bytes:
        raise ValueError(f"{name} is {shape}, more than a file of {file_bytes} bytes can hold")
    offsets, sizes, is_filtered = np.zeros(count, np.int64), np.zeros(count, np.int64), []

    def note(stored: h5py.h5d.StoreInfo) -> None:
        if len(is_filtered) == count:
            raise ValueError(f"{name} has more chunks than rows")
        number = stored.chunk_offset[0] // chunk[0]
        offsets[number], sizes[number] = stored.byte_offset or 0, stored.size
        is_filtered.append(stored.filter_mask == 0)

    dataset.chunk_iter(note)
    if not all(is_filtered):
        raise ValueError(f"{name} has a chunk that is not compressed as the others")
    if not sizes.all():
        raise ValueError(f"{name} was not written completely")
    return chunk[0], offsets, sizes


def _check_chunks(
    name: str, chunk_bytes: int, offsets: np.ndarray, sizes: np.ndarray, compressed: bool, file_bytes: int
) -> None:
    """Raise `ValueError` unless chunks that become `chunk_bytes` each have possible sizes and lie in the file."""
    if compressed:
        # Incompressible bytes grow by 5 in every 16 KiB, and by a header.
        is_possible = (sizes * MAX_RATIO >= chunk_bytes) & (sizes <= chunk_bytes + chunk_bytes // 1000 + 64)
    else:
        is_possible = sizes == chunk_bytes
    if not is_possible.all():
        raise ValueError(f"{name} has a chunk of {sizes[~is_possible][0]} bytes for {chunk_bytes}")
    if sizes.sum() > file_bytes or (offsets + sizes > file_bytes).any() or (offsets < 0).any():
        raise ValueError(f"{name} lies outside the file")
