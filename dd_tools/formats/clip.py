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

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.clip_checks import (
    check_detector,
    check_history,
    check_landmarks,
    check_length,
    check_maps,
    check_settings,
    check_shots,
    check_sizes,
    check_source,
    check_standing,
    check_status,
    check_times,
)
from dd_tools.formats.hdf5_input import attribute, open_hdf5, stored_rows
from dd_tools.formats.hdf5_output import Hdf5Output
from dd_tools.formats.stored_rows import RowReader, StoredRows, damaged
from dd_tools.formats.strict_json import parse_json, parse_object

FORMAT = "dd-clip"
VERSION = 2
WITHOUT_SHOTS = 1  # the version before it, whose clips do not tell where the cuts are
ATTRIBUTES = ("format", "version", "source", "detector", "settings", "history")

_CHUNK_ROWS = 1024  # of datasets with few values per frame, which are read as a whole
_BATCH_BYTES = 1 << 22  # of crops written at once, which takes half as long as writing them one by one


class Status(enum.IntEnum):
    """Whether a frame can be dubbed, or why not."""

    OK = 0
    NO_FACE = 1  # the face of the speaker was not found
    OUT_OF_FRAME = 2  # the mouth extends beyond the frame
    TOO_SMALL = 3  # the face is too small
    TURNED_AWAY = 4  # the face is turned too far to the side
    OTHER_SHOT = 5  # the speaker does not appear in this shot; the crop is black
    COVERED = 6  # something covers the mouth


@dataclass(frozen=True)
class Source:
    """The video or image that a clip was cut from.

    name: file name without its folder.
    sha256: hexadecimal SHA-256 of the file.
    width, height: pixels as displayed, after rotation.
    frame_rate: nominal frames per second; 0 for an image.
    end: time in seconds at which the last frame ends, if that is later than the frame rate says; otherwise None.
    """

    name: str
    sha256: str
    width: int
    height: int
    frame_rate: float
    end: float | None = None

    @property
    def is_still(self) -> bool:
        """Whether it is an image."""
        return self.frame_rate == 0

    @classmethod
    def from_json(cls, values: Mapping) -> "Source":
        """The inverse of `dataclasses.asdict`. A path, which clips once held, is ignored. Raises `ValueError`."""
        return cls(**check_source({name: value for name, value in values.items() if name != "path"}))


@dataclass(frozen=True)
class Framing:
    """How a clip frames the face. Models accept only clips with the framing that they were trained with.

    size: side of the square crop, in pixels.
    crop: what the crop shows, "face" or "head"; None if unknown.
    mask: shape of the repainted region, "steady" or "paper"; None if unknown.
    unit: a model with this framing also accepts crops whose side is another multiple of `unit`; None if it does not.
    """

    size: int
    crop: str | None
    mask: str | None
    unit: int | None = None

    def accepts(self, other: "Framing") -> bool:
        """Whether a model with this framing can use a clip with the framing `other`."""
        fits = other.size == self.size or (self.unit is not None and other.size % self.unit == 0)
        return fits and (other.crop, other.mask) == (self.crop, self.mask)

    def __str__(self) -> str:
        sizes = f"{self.size}, or another multiple of {self.unit}," if self.unit else self.size
        return f"--size {sizes} --crop {self.crop} --mask {self.mask}"


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


class Clip:
    """A clip file, opened for reading and validated. Use it as a context manager.

    Attributes: `frames`, `mask` and `face` are sequences of frames, read from the file one by one. `landmarks`,
    `crop_to_source`, `pts`, `status` and `shot` are arrays. `length` is T, `size` is S, `face_size` is F. `source` is a
    `Source`; `detector`, `settings` and `history` are the values given to `ClipWriter`. `stored` says where frames,
    masks and face images lie in the file, by name. A clip of version 1 is read as a single shot, which is what most
    clips are.

    path: the file. Raises `DataError` unless it is a complete clip of version 1 or 2 in one file, whose attributes,
    shapes, types and values are valid. The pixels are checked when they are read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with open_hdf5(self.path, FORMAT, ATTRIBUTES) as file:
            try:
                self._check_version(file)
                self._load_attributes(file)
                rows = self._find_datasets(file)
            except (LookupError, TypeError, ValueError, ArithmeticError, OSError, RuntimeError) as error:
                raise damaged(self.path, error) from None
        self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - open as long as the clip
        try:
            self._load(rows)
        except (ValueError, OSError) as error:
            self._file.close()
            raise damaged(self.path, error) from None

    def _check_version(self, file: h5py.File) -> None:
        if "format" not in file.attrs or attribute(file, "format") != FORMAT:
            raise DataError(f"cannot read '{self.path}': not a dd-clip file")
        version = attribute(file, "version")
        if version not in (WITHOUT_SHOTS, VERSION):
            raise DataError(
                f"cannot read '{self.path}': clip version {version}, this program reads {WITHOUT_SHOTS} and {VERSION}; "
                "prepare the video again with dd-prep"
            )

    def _load_attributes(self, file: h5py.File) -> None:
        self.source = Source.from_json(parse_object(attribute(file, "source")))
        self.detector = check_detector(parse_object(attribute(file, "detector")))
        self.settings = check_settings(parse_object(attribute(file, "settings")))
        self.history = check_history(parse_json(attribute(file, "history")))

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

    def _load(self, rows: dict[str, StoredRows]) -> None:
        self.stored = {name: rows[name] for name in rows if name not in _IN_MEMORY}
        self.frames, self.mask, self.face = (RowReader(one, self._file, self.path) for one in self.stored.values())
        self.shot = np.zeros(self.length, np.uint32)
        for name in filter(rows.__contains__, _IN_MEMORY):
            setattr(self, name, rows[name].read_all(self._file))
        check_status(self.status, max(Status))
        check_times(self.pts)
        check_standing(float(self.pts[-1]), self.source.end, self.source.frame_rate)
        check_shots(self.shot)
        check_landmarks(self.landmarks, self.status == Status.OK, self.size)
        check_maps(self.crop_to_source)

    @property
    def usable(self) -> np.ndarray:
        """Indices of the frames whose status is OK, int64 (N,)."""
        return np.flatnonzero(self.status == Status.OK)

    @property
    def framing(self) -> Framing:
        """How the clip frames the face."""
        return Framing(self.size, self.settings.get("crop"), self.settings.get("mask"))

    def check_usable(self, framing: Framing) -> None:
        """Raise `DataError` unless a model with this `framing` accepts the clip, and it has a usable frame."""
        if not framing.accepts(self.framing):
            raise DataError(f"cannot use '{self.path}': prepared with {self.framing}, the renderer takes {framing}")
        if not len(self.usable):
            raise DataError(f"cannot use '{self.path}': no frame has a usable face")

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
