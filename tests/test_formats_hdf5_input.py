"""A clip of a stranger: nothing outside the file is read, and no more memory taken than the file is worth."""

import json
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import call
from factories import dummy_clip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dd_tools.errors import DataError
from dd_tools.formats.clip import Clip
from dd_tools.formats.hdf5_source import DamagedHdf5, Hdf5Source

SIDE, LENGTH = 32, 6
SECRET = b"root:x:0:0: what is in another file\n" * 100


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return dummy_clip(tmp_path_factory.mktemp("clips") / "a.h5", LENGTH, SIDE, unusable=[1])


@pytest.fixture
def path(original, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    return Path(shutil.copy(original, tmp_path))


def refused(path, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        Clip(path)
    assert str(caught.value) == f"cannot read '{path}': damaged clip file ({reason})"
    outcome = call("dd-info", path)
    assert (outcome.status, outcome.errors) == (1, f"dd-info: {caught.value}\n")


def replace(path, name: str, make) -> None:
    """Replace a dataset by what `make(file, values)` puts in its place."""
    with h5py.File(path, "r+") as file:
        values = file[name][:]
        del file[name]
        make(file, values)


def external_storage(file, values):
    secret = str(Path(file.filename).with_name("secret"))
    file.create_dataset("frames", values.shape, "u1", external=[(secret, 0, h5py.h5f.UNLIMITED)])


def external_link(file, values):
    other = dummy_clip(Path(file.filename).with_name("other.h5"), LENGTH, SIDE)
    file["frames"] = h5py.ExternalLink(str(other), "/frames")


def soft_link(file, values):
    file.create_dataset("hidden", data=values)
    file["frames"] = h5py.SoftLink("/hidden")


def virtual(file, values):
    other = dummy_clip(Path(file.filename).with_name("other.h5"), LENGTH, SIDE)
    layout = h5py.VirtualLayout(values.shape, "u1")
    layout[:] = h5py.VirtualSource(str(other), "frames", values.shape)
    file.create_virtual_dataset("frames", layout)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (external_storage, "frames is stored in another file"),
        (external_link, "frames is a link to somewhere else"),
        (soft_link, "frames is a link to somewhere else"),
        (virtual, "frames is a virtual dataset, made of others"),
    ],
)
def test_what_lies_in_another_file_is_refused(path, make, reason):
    replace(path, "frames", make)
    refused(path, reason)


@pytest.mark.parametrize(
    "options", [{"compression": "lzf"}, {"compression": "gzip", "shuffle": True}, {"fletcher32": True}]
)
def test_another_filter_than_gzip_is_refused(path, options):
    chunks = (1, SIDE, SIDE, 3)
    replace(path, "frames", lambda file, values: file.create_dataset("frames", data=values, chunks=chunks, **options))
    refused(path, "frames is compressed in another way than with gzip")


def test_a_filter_that_is_a_plugin_is_refused(path):
    def make(file, values):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((1, SIDE, SIDE, 3))
        properties.set_filter(32008, h5py.h5z.FLAG_OPTIONAL, (1, 2))
        space = h5py.h5s.create_simple(values.shape)
        h5py.h5d.create(file.id, b"frames", h5py.h5t.STD_U8LE, space, properties)

    replace(path, "frames", make)
    refused(path, "frames is compressed in another way than with gzip")


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("frames", lambda file, values: file.create_group("frames"), None),
        ("pts", lambda file, values: file.create_dataset("pts", data=[b"a"] * 6, dtype=h5py.string_dtype()), None),
        ("pts", lambda file, values: file.create_dataset("pts", (6,), h5py.ref_dtype), None),
        ("pts", lambda file, values: file.create_dataset("pts", data=1.0), "pts does not hold numbers in rows"),
        ("pts", lambda file, values: file.create_dataset("pts", (6,), "f8"), "pts was never written"),
        (
            "mask",
            lambda file, values: file.create_dataset("mask", data=values, chunks=(1, 16, 32)),
            "mask is stored in chunks of (1, 16, 32), which are parts of rows",
        ),
    ],
)
def test_what_is_no_plain_dataset_is_refused(path, name, make, reason):
    replace(path, name, make)
    if reason:
        refused(path, reason)
    else:
        with pytest.raises(DataError, match=rf"^cannot read '{path}': damaged clip file \(.*\)$"):
            Clip(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: file.attrs.__setitem__("settings", ["{}", "{}"]), "attribute settings is not one value"),
        (lambda file: file.attrs.__setitem__("settings", 1.5), "attribute settings is neither a text nor an integer"),
        (lambda file: file.attrs.__setitem__("source", file.ref), "attribute source is neither a text nor an integer"),
        (lambda file: file.attrs.__setitem__("format", np.zeros(3)), "attribute format is not one value"),
    ],
)
def test_an_attribute_that_is_no_plain_value_is_refused(path, change, reason):
    with h5py.File(path, "r+") as file:
        change(file)
    refused(path, reason)


def test_a_group_in_the_place_of_attributes_of_another_file_changes_nothing(path):
    """Other links in the file are not followed."""
    with h5py.File(path, "r+") as file:
        file["more"] = h5py.ExternalLink("/etc/passwd", "/")
        file["away"] = h5py.SoftLink("/nowhere")
    with Clip(path) as clip:
        assert clip.length == LENGTH


def test_a_file_with_something_before_it_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512):
        pass
    with pytest.raises(DataError, match=r"a.h5': not a dd-clip file$"):
        Clip(tmp_path / "a.h5")


CLAIM = """
import resource, sys
from dd_tools.errors import DataError
from dd_tools.formats.clip import Clip
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Clip(sys.argv[1])
except DataError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def claiming(path, length: int) -> None:
    """Let every dataset of the clip claim `length` frames."""
    with h5py.File(path, "r+") as file:
        for dataset in file.values():
            dataset.resize(length, axis=0)


def in_few_bytes(path) -> None:
    """Let the clip have a million frames of nothing, which are stored in a few kilobytes."""
    with h5py.File(path, "r+") as file:
        for name, dataset in list(file.items()):
            row, dtype = dataset.shape[1:], dataset.dtype
            del file[name]
            options = {"compression": "gzip", "compression_opts": 9, "chunks": (10**4, *row)}
            if name in ("frames", "mask", "face"):
                row = (1, 1, 3)[: len(row)]
                options["chunks"] = (10**6, *row)
            file.create_dataset(name, data=np.zeros((10**6, *row), dtype), **options)
        file.attrs["settings"] = "{}"


def in_a_large_chunk(path) -> None:
    """Let the times lie in a chunk of 400 MB, though they are few."""
    options = {"compression": "gzip", "compression_opts": 9, "chunks": (5 * 10**7,), "maxshape": (None,)}
    replace(path, "pts", lambda file, values: file.create_dataset("pts", data=values, **options))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: claiming(path, 10**4), "frames was not written completely"),
        (lambda path: claiming(path, 10**12), "frames is .*, more than a file of .* bytes can hold"),
        (in_few_bytes, "1000000 frames are more than a file of .* bytes can hold"),
        (in_a_large_chunk, None),
    ],
)
def test_a_small_file_that_claims_to_be_large_takes_little_memory(path, make, reason):
    make(path)
    assert path.stat().st_size < 3_000_000
    done = subprocess.run([sys.executable, "-c", CLAIM, path], capture_output=True, text=True, check=True)
    *error, taken = done.stdout.splitlines()
    if reason:
        assert re.fullmatch(rf"cannot read '{path}': damaged clip file \({reason}\)", error[0])
    assert len(error) == bool(reason) and int(taken) < 50_000  # KiB


def a_heap_without_end(content: bytearray) -> None:
    """The first text is as long as memory has addresses, so the next one begins where this one did."""
    struct.pack_into("<Q", content, content.index(b"GCOL") + 16 + 8, 2**64 - 16)


def a_heap_that_is_longer_than_the_file(content: bytearray) -> None:
    struct.pack_into("<Q", content, content.index(b"GCOL") + 8, 2**40)


def texts_of_four_gigabytes(content: bytearray) -> None:
    """Every attribute says so of its text, which is at a place in the heap."""
    place = struct.pack("<Q", content.index(b"GCOL"))
    for found in re.finditer(re.escape(place), bytes(content)):
        struct.pack_into("<I", content, found.start() - 4, 2**32 - 1)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (a_heap_without_end, "a heap whose objects do not follow each other"),
        (a_heap_that_is_longer_than_the_file, "a heap that is longer than the file"),
        (texts_of_four_gigabytes, "an attribute of 4294967295 characters"),
    ],
)
def test_attributes_that_would_keep_hdf5_busy_are_refused(path, damage, reason):
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", CLAIM, path], capture_output=True, text=True, check=True, timeout=60)
    error, taken = done.stdout.splitlines()
    assert error == f"cannot read '{path}': damaged clip file ({reason})"
    assert int(taken) < 50_000  # KiB


def test_heaps_that_overlap_are_refused_before_they_are_walked(tmp_path):
    """A thousand headers, each of a heap that goes on with the same hundred thousand objects."""
    objects = struct.pack("<HH4xQ", 1, 0, 0) * 100_000
    headers = [struct.pack("<4sB3xQ", b"GCOL", 1, 32 * (1000 - n) + len(objects)) for n in range(1000)]
    jumps = [struct.pack("<HH4xQ", 1, 0, 32 * (999 - n)) for n in range(1000)]
    content = b"".join(header + jump for header, jump in zip(headers, jumps, strict=True)) + objects
    (tmp_path / "heaps").write_bytes(content)
    with (
        Hdf5Source(tmp_path / "heaps", ("source",), 100) as file,
        pytest.raises(DamagedHdf5, match="that overlap"),
    ):
        file.readinto(memoryview(bytearray(65536)))


def test_long_texts_are_read_in_any_version_of_the_format(tmp_path, path):
    """HDF5 stores attributes in other ways in its newer formats, and long or many ones outside the header."""
    history = [{"command": "dd-prep", "arguments": ["video.mp4"] * 20_000}]
    for version in ("earliest", "v110", "latest"):
        with h5py.File(path) as old, h5py.File(tmp_path / "new.h5", "w", libver=version) as new:
            for name, dataset in old.items():
                new.create_dataset(name, data=dataset[:], chunks=(1, *dataset.shape[1:]), compression="gzip")
            for name, value in old.attrs.items():
                new.attrs[name] = value
            new.attrs["history"] = json.dumps(history)
            for number in range(30):
                new.attrs[f"more {number}"] = "x"
        with Clip(tmp_path / "new.h5") as clip, Clip(path) as expected:
            assert clip.history == history and clip.source == expected.source
            np.testing.assert_array_equal(clip.frames[:], expected.frames[:])


def test_a_frame_that_would_grow_is_refused_when_it_is_read(path):
    bomb = zlib.compress(bytes(3_000_000), 9)
    with h5py.File(path, "r+") as file:
        file["frames"].id.write_direct_chunk((2, 0, 0, 0), bomb)
    with Clip(path) as clip:
        assert clip.frames[1].shape == (SIDE, SIDE, 3)
        with pytest.raises(DataError, match=r"a.h5': damaged clip file \(frame 2: 3073 bytes, expected 3072\)"):
            clip.frames[2]


def test_a_mask_of_other_values_is_refused_when_it_is_read(path):
    with h5py.File(path, "r+") as file:
        file["mask"][3, 4, 5] = 255
    with Clip(path) as clip, pytest.raises(DataError, match=r"a.h5': damaged clip file \(frame 3: value 255"):
        clip.mask[3]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_clip_with_changed_bytes_is_read_or_refused_in_one_line(path, original, data):
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, len(content) - 9]))])
    try:
        with Clip(path) as clip:
            for rows in (clip.frames, clip.mask, clip.face):
                rows[:]
    except DataError as error:
        assert str(path) in str(error) and "\n" not in str(error)


def text(**changes: object) -> str:
    source = {"name": "a.mp4", "sha256": "0" * 64, "width": 64, "height": 48, "frame_rate": 25.0}
    return json.dumps(source | changes)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("source", text(name="../../etc/passwd"), "name of the source is not that of a file"),
        ("source", text(name=""), "name of the source is not that of a file"),
        ("source", text(name=5), "name of the source is 5, expected a text"),
        ("source", text(sha256="abc"), "sha256 of the source is not a SHA-256"),
        ("source", text(width=0), "width of the source is 0, expected 1 to 65536"),
        ("source", text(width=1.5), "width of the source is 1.5, expected an integer"),
        ("source", text(height=True), "height of the source is True, expected an integer"),
        ("source", text(frame_rate=-1), "frame rate of the source is -1, expected 0 or 0.001 to 1000000"),
        ("source", text(frame_rate=5e-324), "frame rate of the source is 5e-324, expected 0 or 0.001 to 1000000"),
        (
            "source",
            text(frame_rate=1e6, end=1e5),
            "the last frame stands for 99999800000 frames, expected 10000000 at most",
        ),
        ("source", text(frame_rate=float("nan")), "it holds NaN"),
        ("source", text(frame_rate=1).replace("1}", "1e999}"), "it holds an infinite number"),
        ("source", text(frame_rate=1).replace("}", ', "width": 3}'), "'width' occurs twice"),
        ("source", "[]", "not an object"),
        ("source", "[" * 10**5, "nested too deeply"),
        ("source", "[" * 40 + "]" * 40, "nested too deeply"),
        ("settings", '{"fps": "25"}', "setting fps is '25', expected a number"),
        ("settings", '{"fps": 0}', "setting fps is 0, expected above 0 to 1000000"),
        ("settings", '{"size": 64}', "frames has a side of 32 pixels, the settings say 64"),
        ("settings", '{"crop": ["face"]}', "setting crop is ['face'], expected a text"),
        ("detector", '{"name": "a"}', "detector is not a name and a version"),
        ("history", '{"command": "dd-prep"}', "history is not a list of objects"),
        ("history", '["dd-prep"]', "history is not a list of objects"),
    ],
)  # fmt: skip
def test_attributes_of_other_values_are_refused(path, name, value, reason):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    refused(path, reason)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("landmarks", ((2, 5, 0), np.nan), "landmarks holds NaN or infinite values"),
        ("landmarks", ((1, 5, 0), np.nan), "landmarks holds NaN or infinite values"),
        ("landmarks", ((1, 5, 0), 3.0), "landmarks is not zero in frames without a usable face"),
        ("landmarks", ((2, 5, 0), 1e30), "landmarks lie up to 1e+30 pixels from a crop of 32"),
        ("crop_to_source", ((2, 0, 2), np.inf), "crop_to_source holds NaN or infinite values"),
        ("crop_to_source", ((2,), np.zeros((2, 3))), "crop_to_source of frame 2 is not the map of a crop"),
        ("crop_to_source", ((3, 1, 2), 1e15), "crop_to_source of frame 3 is not the map of a crop"),
        ("pts", ((3,), 0.04), "pts does not rise from frame 2 to the next"),
        ("pts", ((3,), 0.08), "pts does not rise from frame 2 to the next"),
        ("pts", ((3,), np.nan), "pts holds NaN or infinite values"),
        ("pts", ((5,), 1e9), "pts reaches from 0 to 1e+09 s, expected 100000 s at most"),
        ("status", ((4,), 77), "status of frame 4 is 77, expected 0 to 6"),
    ],
)
def test_values_that_no_clip_has_are_refused(path, name, change, reason):
    place, value = change
    with h5py.File(path, "r+") as file:
        file[name][place] = value
    refused(path, reason)
