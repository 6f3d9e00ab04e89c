"""Clip files: what is written is read, and everything else is refused with one clear line."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from factories import dummy_clip
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.errors import DataError
from dd_tools.formats.clip import Clip, ClipWriter, Framing, Source, Status, dataset_layout
from dd_tools.formats.clip_header import ClipHeader

SIZE, FACE_SIZE, LENGTH = 16, 12, 5
SOURCE = Source("video.mp4", "0" * 64, 64, 48, 25.0)
SETTINGS = {"size": SIZE, "crop": "head", "mask": "paper"}


def random_rows() -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    layout = dataset_layout(SIZE, FACE_SIZE).items()
    rows = [
        {name: random.integers(0, 2, shape).astype(dtype) for name, (shape, dtype) in layout} for _ in range(LENGTH)
    ]
    places = {"crop_to_source": np.array([[2, 0, 5], [0, 2, 7]])}
    return [
        row | places | {"pts": i / 25, "landmarks": row["landmarks"] * (row["status"] == Status.OK)}
        for i, row in enumerate(rows)
    ]


def write_clip(path, rows, settings=SETTINGS):
    with ClipWriter(
        path, size=SIZE, face_size=FACE_SIZE, source=SOURCE, detector={"name": "dummy", "version": "1"},
        settings=settings, history=[{"command": "dd-prep"}],
    ) as clip:  # fmt: skip
        for row in rows:
            clip.append(**row)
    return path


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return dummy_clip(tmp_path_factory.mktemp("clips") / "a.h5", unusable=[1])


@pytest.fixture
def path(original, tmp_path):
    return Path(shutil.copy(original, tmp_path))


def refused(path, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        Clip(path)
    assert str(caught.value) == f"cannot read '{path}': {reason}"


@pytest.mark.parametrize("batch_bytes", [1, 1 << 22])
def test_written_frames_are_read(tmp_path, monkeypatch, batch_bytes):
    monkeypatch.setattr("dd_tools.formats.clip._BATCH_BYTES", batch_bytes)
    rows = random_rows()
    with Clip(write_clip(tmp_path / "a.h5", rows)) as clip:
        assert (clip.length, clip.size, clip.face_size) == (LENGTH, SIZE, FACE_SIZE)
        assert (clip.source, clip.settings, clip.history) == (SOURCE, SETTINGS, [{"command": "dd-prep"}])
        assert clip.detector == {"name": "dummy", "version": "1"}
        for name in dataset_layout(SIZE, FACE_SIZE):
            np.testing.assert_array_equal(getattr(clip, name)[:], [row[name] for row in rows])
        np.testing.assert_array_equal(clip.usable, np.flatnonzero([row["status"] == Status.OK for row in rows]))


def test_a_header_tells_what_the_whole_clip_tells(original):
    header = ClipHeader(original)
    with Clip(original) as clip:
        for name in ("path", "source", "detector", "settings", "history", "size", "framing"):
            assert getattr(header, name) == getattr(clip, name)
        assert header.status.tolist() == clip.status.tolist() == [0, 1, 0, 0, 0, 0]
    assert header.usable.tolist() == [0, 2, 3, 4, 5]


@pytest.mark.parametrize("status", [np.zeros(5, "u1"), np.zeros(0, "u1"), np.zeros(6), np.zeros((6, 1), "u1")])
def test_a_header_without_a_status_for_every_frame_is_refused(path, status):
    with h5py.File(path, "r+") as file:
        del file["status"]
        file["status"] = status
    with pytest.raises(DataError, match=rf"cannot read '{path}': damaged clip file \(.*status"):
        ClipHeader(path)


def test_images_have_one_frame_per_chunk(original):
    with h5py.File(original) as file:
        chunks = {name: (dataset.chunks[0], dataset.compression) for name, dataset in file.items()}
    assert {name for name, chunk in chunks.items() if chunk == (1, "gzip")} == {"frames", "mask", "face"}
    assert {compression for _, compression in chunks.values()} == {"gzip"}


@pytest.mark.parametrize(
    ("settings", "framing"),
    [(SETTINGS, Framing(SIZE, "head", "paper")), ({}, Framing(SIZE, None, None))],
)
def test_framing_is_read_from_the_settings(tmp_path, settings, framing):
    with Clip(write_clip(tmp_path / "a.h5", random_rows(), settings)) as clip:
        assert clip.framing == framing


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 100))
def test_a_framing_accepts_its_own_size_and_multiples_of_its_unit(size, other, unit):
    strict, flexible = Framing(size, "face", "steady"), Framing(size, "face", "steady", unit=unit)
    clip = Framing(other, "face", "steady")
    assert strict.accepts(clip) == (other == size)
    assert flexible.accepts(clip) == (other in {size, *range(unit, 301, unit)})
    assert strict.accepts(Framing(size, "face", "steady")) and flexible.accepts(Framing(size, "face", "steady"))


@pytest.mark.parametrize("size", [96, 192, 288])
@pytest.mark.parametrize("made", [("head", "steady"), ("face", "paper"), (None, None), ("face", None)])
def test_another_crop_or_mask_is_never_accepted(size, made):
    assert not Framing(192, "face", "steady", unit=96).accepts(Framing(size, *made))


@pytest.mark.parametrize(
    ("framing", "shown"),
    [
        (Framing(256, "head", "paper"), "--size 256 --crop head --mask paper"),
        (Framing(192, "face", "steady", 96), "--size 192, or another multiple of 96, --crop face --mask steady"),
    ],
)
def test_a_framing_is_shown_as_options_of_dd_prep(framing, shown):
    assert str(framing) == shown


def test_a_clip_is_usable_for_a_framing_that_accepts_it(original):
    with Clip(original) as clip:
        clip.check_usable(Framing(64, "face", "steady", unit=16))
        for framing in (Framing(64, "face", "steady"), Framing(32, "head", "steady", unit=16)):
            with pytest.raises(DataError) as caught:
                clip.check_usable(framing)
            assert str(caught.value) == (
                f"cannot use '{original}': prepared with --size 32 --crop face --mask steady, the renderer takes "
                f"{framing}"
            )


def test_a_still_source_has_no_frame_rate():
    assert not SOURCE.is_still
    assert Source("a.png", "0" * 64, 64, 48, 0).is_still


@pytest.mark.parametrize("version", [0, 3])
def test_another_version_is_refused_with_advice(path, version):
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = version
    refused(path, f"clip version {version}, this program reads 1 and 2; prepare the video again with dd-prep")


def test_a_clip_of_the_version_without_shots_is_a_single_shot(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", frames=6, cuts=[2])
    with Clip(path) as clip:
        assert clip.shot.tolist() == [0, 0, 1, 1, 1, 1]
    with h5py.File(path, "r+") as file:
        del file["shot"]
    with pytest.raises(DataError, match="damaged clip file"):
        Clip(path)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 1
    with Clip(path) as clip:
        assert clip.shot.tolist() == [0] * 6


def test_another_format_is_refused(path):
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = "photos"
    refused(path, "not a dd-clip file")


def test_no_hdf5_file_is_refused(tmp_path):
    (tmp_path / "text.h5").write_text("no clip\n" * 50)
    refused(tmp_path / "text.h5", "not a dd-clip file")
    refused(tmp_path / "missing.h5", "no such file")
    refused(tmp_path, "it is a folder")


def test_a_truncated_clip_is_refused(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "truncated HDF5 file")


def test_a_dataset_of_another_shape_or_type_is_refused(path):
    with h5py.File(path, "r+") as file:
        length = len(file["pts"])
        del file["pts"]
        file["pts"] = np.zeros(length + 1)
    refused(path, f"pts is float64 ({length + 1},), expected float64 ({length},)")
    with h5py.File(path, "r+") as file:
        del file["pts"]
        file["pts"] = np.zeros(length, np.float32)
    refused(path, f"pts is float32 ({length},), expected float64 ({length},)")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.__delitem__("mask"),
        lambda file: file.attrs.__delitem__("source"),
        lambda file: file.attrs.__setitem__("settings", "{"),
        lambda file: file.attrs.__setitem__("source", json.dumps({"name": "a"})),
    ],
)
def test_missing_parts_are_refused(path, damage):
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(DataError, match=rf"^cannot read '{path}': damaged clip file \(.*\)$"):
        Clip(path)


def test_a_clip_without_frames_is_refused(tmp_path):
    refused(write_clip(tmp_path / "a.h5", []), "a clip without frames")
