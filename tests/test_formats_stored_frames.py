"""Frames that are read without HDF5 are those that HDF5 reads."""

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from factories import dummy_clip

from dd_tools.formats.stored_frames import StoredFrames, locate_frames


@pytest.mark.parametrize("name", ["frames", "mask", "face"])
def test_every_frame_of_a_clip_is_found(tmp_path, name):
    path = dummy_clip(tmp_path / "a.h5", frames=7)
    with h5py.File(path) as file, open(path, "rb") as raw:
        stored = locate_frames(file[name])
        for index in (6, 0, 3, *range(7)):
            np.testing.assert_array_equal(stored.read(raw, index), file[name][index])


def dataset(path, **options) -> h5py.Dataset:
    file = h5py.File(path, "w", userblock_size=options.pop("userblock", 0))
    return file.create_dataset("frames", (4, 8, 8, 3), "u1", **options)


def test_a_frame_that_was_never_written_is_black(tmp_path):
    frames = dataset(tmp_path / "x.h5", chunks=(1, 8, 8, 3), compression="gzip")
    frames[2] = 7
    frames.file.flush()
    stored = locate_frames(frames)
    with open(tmp_path / "x.h5", "rb") as raw:
        assert [stored.read(raw, index).mean() for index in range(4)] == [0, 0, 7, 0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 8, 8, 3)},
        {"chunks": (2, 8, 8, 3), "compression": "gzip"},
        {"chunks": (1, 8, 8, 3), "compression": "gzip", "shuffle": True},
        {"chunks": (1, 8, 8, 3), "compression": "lzf"},
        {"chunks": (1, 8, 8, 3), "compression": "gzip", "userblock": 512},
    ],
)
def test_what_is_stored_in_another_way_is_left_to_hdf5(tmp_path, options):
    assert locate_frames(dataset(tmp_path / "x.h5", **options)) is None


def test_a_chunk_that_was_written_without_compression_is_left_to_hdf5(tmp_path):
    frames = dataset(tmp_path / "x.h5", chunks=(1, 8, 8, 3), compression="gzip")
    frames.id.write_direct_chunk((1, 0, 0, 0), bytes(8 * 8 * 3), filter_mask=1)
    assert locate_frames(frames) is None


def test_damage_is_noticed(tmp_path):
    frames = dataset(tmp_path / "x.h5", chunks=(1, 8, 8, 3), compression="gzip")
    frames[:] = np.random.default_rng(0).integers(0, 256, frames.shape)
    frames.file.flush()
    stored = locate_frames(frames)
    content = (tmp_path / "x.h5").read_bytes()
    for end, complaint in ((stored.offsets[3] + 9, r"frame 3: \d+ bytes, expected 192"), (0, "frame 3: 0 bytes")):
        (tmp_path / "cut.h5").write_bytes(content[:end])
        with open(tmp_path / "cut.h5", "rb") as raw, pytest.raises(ValueError, match=complaint):
            stored.read(raw, 3)


def test_a_chunk_that_would_grow_is_refused(tmp_path):
    """A few kilobytes that decompress to 100 MB do not take 100 MB."""
    bomb = zlib.compress(bytes(10**8))
    (tmp_path / "bomb").write_bytes(bomb)
    stored = StoredFrames((8, 8, 3), np.array([0]), np.array([len(bomb)]))
    tracemalloc.start()
    with open(tmp_path / "bomb", "rb") as raw, pytest.raises(ValueError, match="frame 0: 193 bytes, expected 192"):
        stored.read(raw, 0)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
