"""Clip files of a training."""

import contextlib
import pickle
import resource
from collections.abc import Iterator

import h5py
import numpy as np
import pytest
import torch
from factories import dummy_clip

from dd_tools.errors import DataError
from dd_tools.face.face_images import face_images
from dd_tools.formats.clip import Clip, Framing
from dd_tools.training.clip_files import FACE, FRAMES, MASK, ClipFiles
from dd_tools.training.open_files import OpenFiles

FRAMING = Framing(32, "face", "steady")


@pytest.mark.parametrize("eyes", [True, False])
def test_open_clips_are_opened_again_in_a_loader_process_that_is_not_forked(tmp_path, eyes):
    paths = [dummy_clip(tmp_path / "a.h5", 3), dummy_clip(tmp_path / "b.h5", 5)]
    clips, all_frames = ClipFiles(paths, FRAMING, eyes=eyes), [(0, 0), (0, 2), (1, 4), (1, 1)]
    before = {dataset: clips.read(dataset, all_frames) for dataset in (FRAMES, FACE)}
    sent = pickle.loads(pickle.dumps(clips))
    for dataset, images in before.items():
        assert torch.equal(sent.read(dataset, all_frames), images)


def contents(path, dataset: str) -> np.ndarray:
    with h5py.File(path) as file:
        return file[dataset][:]


def overwrite(path, dataset: str, chunk: int) -> None:
    """Damage a chunk of a dataset."""
    with h5py.File(path) as file:
        place = file[dataset].id.get_chunk_info(chunk)
    with open(path, "r+b") as file:
        file.seek(place.byte_offset + 2)  # behind zlib's header
        file.write(bytes(min(place.size - 2, 30)))


def stored_differently(path):
    """The same clip as another program may write it: several frames a chunk, and masks that are not compressed."""
    with h5py.File(path, "r+") as file:
        for name, options in (("frames", {"chunks": (2, 32, 32, 3), "compression": "gzip"}), ("mask", {})):
            values = file[name][:]
            del file[name]
            file.create_dataset(name, data=values, **options)
    return path


@pytest.mark.parametrize("cache_bytes", [0, 10_000, 10**9])
@pytest.mark.parametrize("change", [lambda path: path, stored_differently])
def test_frames_are_those_of_the_files_whatever_is_kept_in_memory(tmp_path, change, cache_bytes):
    paths = [dummy_clip(tmp_path / "a.h5", 3), change(dummy_clip(tmp_path / "b.h5", 5))]
    clips = ClipFiles(paths, FRAMING, cache_bytes=cache_bytes)
    frames = [(1, 4), (0, 2), (1, 0), (1, 4)]
    for dataset in (FRAMES, MASK, FACE):
        expected = np.stack([contents(paths[clip], dataset)[frame] for clip, frame in frames])
        for _ in range(2):
            np.testing.assert_array_equal(clips.read(dataset, frames), expected)


def test_no_more_than_the_limit_is_kept_in_memory(tmp_path):
    clips = ClipFiles([dummy_clip(tmp_path / "a.h5", 8)], FRAMING, cache_bytes=3 * 32 * 32 * 3 + 100)
    clips.read(FRAMES, [(0, index) for index in range(8)])
    assert set(clips._cache) == {("frames", 0, 0), ("frames", 0, 1), ("frames", 0, 2)}


def test_a_frame_that_is_kept_is_not_read_again(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", 2)
    clips = ClipFiles([path], FRAMING)
    before = clips.read(FRAMES, [(0, 1)])
    path.write_bytes(b"")
    assert torch.equal(clips.read(FRAMES, [(0, 1)]), before)


def test_more_clips_than_may_be_open_are_read(tmp_path):
    """A process may have few open files: the one that was used longest ago is closed."""
    paths = [dummy_clip(tmp_path / f"{index}.h5", 1) for index in range(6)]
    clips = ClipFiles(paths, FRAMING, cache_bytes=0)
    clips._files = OpenFiles(clips._open, limit=2)
    opened = []
    for clip in (0, 1, 0, 2, 3, 4, 5):
        np.testing.assert_array_equal(clips.read(MASK, [(clip, 0)])[0], contents(paths[clip], "mask")[0])
        opened.append(list(clips._files._files))
    assert opened == [[0], [0, 1], [1, 0], [0, 2], [2, 3], [3, 4], [4, 5]]


def test_files_that_are_closed_are_closed_at_once(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", 1)
    files = OpenFiles(lambda number: path.open("rb"), limit=1)
    first = files[0]
    assert files[0] is first and not first.closed
    assert files[1] is not first and first.closed and len(files) == 1


def test_without_eyes_face_images_are_made_of_the_frames(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", 3)
    faces = ClipFiles([path], FRAMING, eyes=False).read(FACE, [(0, 2), (0, 0)])
    with Clip(path) as clip:
        np.testing.assert_array_equal(faces, face_images(clip, [2, 0], eyes=False))


def test_a_damaged_frame_is_named_with_its_file(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", 3)
    clips = ClipFiles([path], FRAMING)
    overwrite(path, "frames", 1)
    clips.read(FRAMES, [(0, 0), (0, 2)])
    with pytest.raises(DataError, match=r"cannot read '.*a.h5': damaged clip file \(frame 1: "):
        clips.read(FRAMES, [(0, 1)])


FLEXIBLE = Framing(64, "face", "steady", unit=16)


def test_clips_of_different_sizes_are_refused_in_one_line(tmp_path):
    """Though the model takes each of them alone: a batch holds frames of all."""
    paths = [dummy_clip(tmp_path / f"{name}.h5", 2, size) for name, size in (("a", 32), ("b", 32), ("c", 48))]
    for path in paths:
        ClipFiles([path], FLEXIBLE)
    assert len(ClipFiles(paths[:2], FLEXIBLE)) == 2
    with pytest.raises(DataError) as caught:
        ClipFiles(paths, FLEXIBLE)
    assert str(caught.value) == (
        f"cannot train on '{paths[2]}' together with '{paths[0]}': crops of 48 and 32 pixels; prepare all clips with "
        "the same --size"
    )


@pytest.mark.parametrize("eyes", [True, False])
def test_face_images_of_clips_of_another_size_are_as_large_as_their_crops(tmp_path, eyes):
    path = dummy_clip(tmp_path / "a.h5", 2, size=48)
    with Clip(path) as clip:
        expected = face_images(clip, [1, 0], eyes)
    found = ClipFiles([path], FLEXIBLE, eyes=eyes).read(FACE, [(0, 1), (0, 0)])
    assert found.shape == (2, 48, 48, 3) and np.array_equal(found, expected)


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The names of the clips that are read as a whole, in this order."""
    names = []

    class Noted(Clip):
        def __init__(self, path):
            names.append(path.stem)
            super().__init__(path)

    monkeypatch.setattr("dd_tools.training.clip_files.Clip", Noted)
    return names


def test_a_clip_is_read_when_it_is_first_drawn(tmp_path, opened):
    clips = ClipFiles([dummy_clip(tmp_path / f"{name}.h5", 3) for name in "abc"], FRAMING)
    assert [len(usable) for usable in clips.usable] == [3, 3, 3] and opened == []
    clips.read(FRAMES, [(2, 0), (0, 1)])
    clips.read(MASK, [(0, 2), (2, 0)])
    assert opened == ["c", "a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "truncated HDF5 file"),
        (lambda path: dummy_clip(path, 2, unusable=[0, 1]), "no frame has a usable face"),
        (lambda path: dummy_clip(path, 2, mask="paper"), "prepared with --size 32 --crop face --mask paper"),
        (lambda path: overwrite(path, "status", 0), "damaged clip file"),
    ],
)
def test_a_clip_that_cannot_be_used_is_named_at_the_start(tmp_path, opened, change, message):
    paths = [dummy_clip(tmp_path / f"{name}.h5", 2) for name in "abc"]
    change(paths[1])
    with pytest.raises(DataError, match=rf"'{paths[1]}': .*{message}"):
        ClipFiles(paths, FRAMING)
    assert opened == []


@pytest.mark.parametrize("dataset", ["landmarks", "pts", "crop_to_source"])
def test_a_clip_that_is_damaged_inside_is_named_when_it_is_drawn(tmp_path, dataset):
    paths = [dummy_clip(tmp_path / f"{name}.h5", 2) for name in "ab"]
    overwrite(paths[1], dataset, 0)
    clips = ClipFiles(paths, FRAMING)
    clips.read(FRAMES, [(0, 0)])
    with pytest.raises(DataError, match=rf"cannot read '{paths[1]}': damaged clip file"):
        clips.read(FRAMES, [(0, 0), (1, 0)])


def test_a_clip_that_was_replaced_by_one_of_another_size_is_named_when_it_is_drawn(tmp_path):
    paths = [dummy_clip(tmp_path / f"{name}.h5", 2) for name in "ab"]
    clips = ClipFiles(paths, FRAMING)
    dummy_clip(paths[1], 2, size=48)
    with pytest.raises(DataError, match=rf"'{paths[1]}': prepared with --size 48"):
        clips.read(FRAMES, [(1, 0)])


@pytest.mark.parametrize("change", [{"frames": 6}, {"frames": 2}, {"frames": 3, "unusable": [1]}])
@pytest.mark.parametrize("eyes", [True, False])
def test_a_clip_whose_frames_have_changed_is_named_and_its_neighbours_stay_as_they_are(tmp_path, eyes, change):
    paths = [dummy_clip(tmp_path / f"{name}.h5", 3) for name in "abc"]
    clips, neighbours = ClipFiles(paths, FRAMING, eyes=eyes, cache_bytes=0), [(1, 0), (1, 2)]
    before = clips.read(FACE, neighbours)
    dummy_clip(paths[0], **change)
    for _ in range(2):
        with pytest.raises(DataError, match=rf"^cannot train on '{paths[0]}': changed while the training ran; .*$"):
            clips.read(FACE, [(0, 2)])
    assert torch.equal(clips.read(FACE, neighbours), before)


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """The process may open no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_that_the_system_does_not_open_is_not_called_damaged(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", 3)
    clips = ClipFiles([path], FRAMING, cache_bytes=0)
    for _ in range(2):  # when it is validated, and when it is opened once more to read a frame
        with no_more_files(), pytest.raises(DataError) as caught:
            clips.read(FRAMES, [(0, 0)])
        assert str(caught.value) == f"cannot read '{path}': too many open files"
        clips.read(FRAMES, [(0, 0)])
        clips._files = OpenFiles(clips._open)
