"""Rows that are read without HDF5 are those that HDF5 reads."""

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

from dd_tools.formats.hdf5_input import stored_rows
from dd_tools.formats.stored_rows import RowReader, StoredRows

VALUES = np.random.default_rng(0).integers(0, 256, (7, 4, 3), np.uint8)

LAYOUTS = [
    {},
    {"chunks": (1, 4, 3)},
    {"chunks": (1, 4, 3), "compression": "gzip"},
    {"chunks": (3, 4, 3), "compression": "gzip"},
    {"chunks": (3, 4, 3)},
    {"chunks": (50, 4, 3), "compression": "gzip", "maxshape": (None, 4, 3)},
]


def written(path, values=VALUES, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("rows", data=values, **options)
    return path


@pytest.mark.parametrize("values", [VALUES, VALUES.astype("<f8") / 7, VALUES[..., 0].astype("<f4")])
@pytest.mark.parametrize("options", LAYOUTS)
def test_every_row_is_found(tmp_path, options, values):
    shape = {name: (size[0], *values.shape[1:]) for name, size in options.items() if isinstance(size, tuple)}
    path = written(tmp_path / "a.h5", values, **options | shape)
    with h5py.File(path) as file, open(path, "rb") as raw:
        stored = stored_rows(file, "rows")
        for index in (6, 0, 3, *range(7)):
            np.testing.assert_array_equal(stored.read(raw, index), values[index])
        np.testing.assert_array_equal(stored.read_all(raw), values)


def test_rows_are_a_sequence(tmp_path):
    path = written(tmp_path / "a.h5", **LAYOUTS[3])
    with h5py.File(path) as file, open(path, "rb") as raw:
        rows = RowReader(stored_rows(file, "rows"), raw, path)
        assert (len(rows), rows.shape, rows.dtype) == (7, (7, 4, 3), np.uint8)
        for index in (2, -1, np.int64(5), slice(None), slice(5, 1, -2), slice(3, 3), [4, 0, 4], np.array([1, 6])):
            np.testing.assert_array_equal(rows[index], VALUES[index])
        np.testing.assert_array_equal(np.stack(list(rows)), VALUES)
        with pytest.raises(IndexError):
            rows[7]


def test_a_value_above_the_limit_is_noticed(tmp_path):
    path = written(tmp_path / "a.h5", np.array([[0, 1], [1, 2]], np.uint8))
    with h5py.File(path) as file, open(path, "rb") as raw:
        stored = stored_rows(file, "rows", limit=1)
        assert stored.read(raw, 0).tolist() == [0, 1]
        with pytest.raises(ValueError, match="frame 1: value 2, expected 0 to 1"):
            stored.read(raw, 1)


@pytest.mark.parametrize("options", LAYOUTS)
def test_damage_is_noticed(tmp_path, options):
    path = written(tmp_path / "a.h5", **options)
    with h5py.File(path) as file:
        stored = stored_rows(file, "rows")
    end = int(stored.offsets[-1]) + (9 if stored.compressed else 1)
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:end])
    with open(tmp_path / "cut.h5", "rb") as raw:
        with pytest.raises(ValueError, match=r"frame \d: "):
            stored.read(raw, 6)
        with pytest.raises(ValueError, match=r"frame \d: "):
            stored.read_all(raw)


def test_a_chunk_that_would_grow_is_refused(tmp_path):
    """A few kilobytes that decompress to 100 MB do not take 100 MB."""
    bomb = zlib.compress(bytes(10**8))
    (tmp_path / "bomb").write_bytes(bomb)
    places = np.array([0]), np.array([len(bomb)])
    stored = StoredRows((8, 8, 3), np.dtype(np.uint8), 1, 1, *places, compressed=True)
    tracemalloc.start()
    with open(tmp_path / "bomb", "rb") as raw, pytest.raises(ValueError, match="frame 0: 193 bytes, expected 192"):
        stored.read(raw, 0)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
