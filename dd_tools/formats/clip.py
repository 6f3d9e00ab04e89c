"""The clip: the track of one speaker, as HDF5. `dd-prep` writes it, all later stages read it.

Datasets for T frames, a crop of S × S pixels and a face image of F × F pixels:

frames          uint8   (T, S, S, 3)  RGB crop
landmarks       float32 (T, 68, 2)    x, y in pixels of the crop, in the order of iBUG
mask            uint8   (T, S, S)     1 = repaint
face            uint8   (T, F, F, 3)  face image, the input of the semantic encoder
crop_to_source  float64 (T, 2, 3)     affine map from pixels of the crop to pixels of the source frame
pts             float64 (T)           time in seconds, strictly increasing
status          uint8   (T)           a `Status`
shot            uint32  (T)           number of the shot, from 0; it changes at every cut

Everything is compressed with gzip; frames, masks and face images have one frame per chunk, so that each can be read
by itself. If the status is not OK, landmarks, mask and face image are zero; the crop is kept if there is one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.clip_checks import (
    check_landmarks,
    check_length,
    check_maps,
    check_shots,
    check_sizes,
    check_standing,
    check_status,
    check_times,
)
from dd_tools.formats.clip_header import FORMAT, VERSION, WITHOUT_SHOTS, ClipHeader, Framing, Source, Status
from dd_tools.formats.hdf5_input import attribute, stored_rows
from dd_tools.formats.hdf5_output import Hdf5Output
from dd_tools.formats.stored_rows import RowReader, StoredRows, damaged

__all__ = ["Clip", "ClipWriter", "Framing", "Source", "Status", "dataset_layout"]

_CHUNK_ROWS = 1024  # of datasets with few values per frame, which are read as a whole
_BATCH_BYTES = 1 << 22  # of crops written at once, which takes half as long as writing them one by one


def dataset_layout(size: int, face_size: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name of every dataset to its shape without T and its type. size, face_size: S and F."""
    return {
        "frames": ((size, size, 3), "u1"),
        "landmarks": ((68, 2), "<f4"),
        "mask": ((size, size), "u1"),
        "face": ((face_size, face_size, 3), "u1"),
        "crop_to_source": ((2, 3), "<f8"),
        "pts": ((), "<f8"),
        "status": ((), "u1"),
        "shot": ((), "<u4"),
    }


_IN_MEMORY = ("landmarks", "crop_to_source", "pts", "status", "shot")
_LIMITS = dict.fromkeys(dataset_layout(0, 0)) | {"mask": 1}  # the largest valid values, None for any


class ClipWriter:
    """Writes a new clip file frame by frame. Use it as a context manager, inside `atomic_output`.

    path: the file to write.
    size: S, side of the crop in pixels.
    face_size: F, side of the face image in pixels.
    source: the video or image.
    detector: ``{"name", "version"}`` of the landmark detector.
    settings: all options that affect the content.
    history: history entries, see `dd_tools.formats.history`.

    Raises `OSError` if the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: int,
        face_size: int,
        source: Source,
        detector: Mapping,
        settings: Mapping,
        history: list[dict],
    ):
        self._output = Hdf5Output(path, "w+")
        self._file = h5py.File(self._output, "w", libver=("earliest", "v110"))
        self._datasets = {
            name: self._create_dataset(name, shape, dtype)
            for name, (shape, dtype) in dataset_layout(size, face_size).items()
        }
        self._file.attrs.update({
            "format": FORMAT,
            "version": VERSION,
            "source": json.dumps(asdict(source), sort_keys=True),
            "detector": json.dumps(dict(detector), sort_keys=True),
            "settings": json.dumps(dict(settings), sort_keys=True),
            "history": json.dumps(history, sort_keys=True),
        })  # fmt: skip
        self._pending: list[dict] = []
        self._batch = max(1, _BATCH_BYTES // (size * size * 3))

    def _create_dataset(self, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
        return self._file.create_dataset(
            name,
            (0, *shape),
            dtype,
            maxshape=(None, *shape),
            chunks=(_CHUNK_ROWS if name in _IN_MEMORY else 1, *shape),
            compression="gzip",
            compression_opts=1,
            shuffle=False,
            track_times=False,
        )

    def append(self, **values: np.ndarray | float | int) -> None:
        """Append one frame. values: one for every dataset, with the shape in the module's docstring, without T."""
        self._pending.append(values)
        if len(self._pending) == self._batch:
            self._flush()
            self._output.raise_failure()

    def _flush(self) -> None:
        for name, dataset in self._datasets.items() if self._pending else ():
            start = len(dataset)
            dataset.resize(start + len(self._pending), axis=0)
            dataset[start:] = [values[name] for values in self._pending]
        self._pending.clear()

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(self, exception_type: type | None, *_: object) -> None:
        try:
            if exception_type is None:
                self._flush()
        finally:
            self._file.close()
            self._output.close()
        if exception_type is None:
            self._output.raise_failure()


class Clip(ClipHeader):
    """A clip file, opened for reading and validated. Use it as a context manager.

    Attributes: those of `ClipHeader`. `frames`, `mask` and `face` are sequences of frames, read from the file one by
    one. `landmarks`, `crop_to_source`, `pts`, `status` and `shot` are arrays. `length` is T, `face_size` is F. `stored`
    says where every dataset lies in the file, by name. A clip of version 1 is read as a single shot, which is what most
    clips are.

    path: the file. Raises `DataError` unless it is a complete clip of version 1 or 2 in one file, whose attributes,
    shapes, types and values are valid. The pixels are checked when they are read.
    """

    def __init__(self, path: str | Path):
        super().__init__(path)
        self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - open as long as the clip
        try:
            self._load()
        except (ValueError, OSError) as error:
            self._file.close()
            raise damaged(self.path, error) from None

    def _read(self, file: h5py.File) -> None:
        self._check_version(file)
        self._load_attributes(file)
        self.stored = self._find_datasets(file)

    def _find_datasets(self, file: h5py.File) -> dict[str, StoredRows]:
        has_shots = attribute(file, "version") != WITHOUT_SHOTS
        limits = {name: limit for name, limit in _LIMITS.items() if has_shots or name != "shot"}
        rows = {name: stored_rows(file, name, limit) for name, limit in limits.items()}
        self.length, self.size, self.face_size = (
            rows["frames"].length,
            *(rows[name].shape[0] if rows[name].shape else 0 for name in ("frames", "face")),
        )
        layout = dataset_layout(self.size, self.face_size)
        for name, (shape, dtype) in ((name, layout[name]) for name in rows):
            found, expected = (rows[name].length, *rows[name].shape), (self.length, *shape)
            if found != expected or rows[name].dtype != np.dtype(dtype):
                raise DataError(
                    f"cannot read '{self.path}': {name} is {rows[name].dtype} {found}, "
                    f"expected {np.dtype(dtype)} {expected}"
                )
        if self.length == 0:
            raise DataError(f"cannot read '{self.path}': a clip without frames")
        check_length(self.length, self.path.stat().st_size)
        check_sizes(self.size, self.face_size, self.settings)
        return rows

    def _load(self) -> None:
        self.frames, self.mask, self.face = (
            RowReader(self.stored[name], self._file, self.path) for name in ("frames", "mask", "face")
        )
        self.shot = np.zeros(self.length, np.uint32)
        for name in filter(self.stored.__contains__, _IN_MEMORY):
            setattr(self, name, self.stored[name].read_all(self._file))
        check_status(self.status, max(Status))
        check_times(self.pts)
        check_standing(float(self.pts[-1]), self.source.end, self.source.frame_rate)
        check_shots(self.shot)
        check_landmarks(self.landmarks, self.status == Status.OK, self.size)
        check_maps(self.crop_to_source)

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
