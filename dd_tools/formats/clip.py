"""The clip: one speaker's track as HDF5, what `dd-prep` writes and every later stage reads.

Datasets (T frames, S crop pixels, F face-image pixels), gzip, pictures one frame a chunk:
``frames`` uint8 (T,S,S,3) RGB crop; ``landmarks`` float32 (T,68,2) x,y in crop pixels, iBUG order; ``mask`` uint8
(T,S,S), 1 = repaint; ``face`` uint8 (T,F,F,3), the semantic encoder's input; ``crop_to_source`` float64 (T,2,3), affine
map from crop to source pixel coordinates; ``pts`` float64 (T) seconds; ``status`` uint8 (T), see `Status`. In frames
whose status is not OK the crop is kept where one exists; landmarks, mask and face image are zero.
"""

import contextlib
import enum
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from dd_tools.errors import DataError

FORMAT = "dd-clip"
VERSION = 1

_BATCH = 1 << 22  # bytes of frames that are written together, which takes half the time of one by one


class Status(enum.IntEnum):
    """Whether a frame has a face that can be dubbed, or why not."""

    OK = 0
    NO_FACE = 1  # the speaker's is not found
    OUT_OF_FRAME = 2  # the mouth region reaches beyond the picture
    TOO_SMALL = 3  # fewer pixels than a mouth needs
    TURNED_AWAY = 4  # too far to the side to be painted
    OTHER_SHOT = 5  # the speaker is not in this shot at all; the crop is black


@dataclass(frozen=True)
class Source:
    """The video (or picture) a clip was cut from. width, height: pixels as displayed, after rotation metadata.

    path: as the user gave it, made absolute; the file may have moved since. frame_rate: nominal, frames a second;
    0 for a still picture.
    """

    name: str
    path: str
    sha256: str
    width: int
    height: int
    frame_rate: float

    @property
    def is_still(self) -> bool:
        """Whether it is a picture, not a video."""
        return self.frame_rate == 0


@dataclass(frozen=True)
class Framing:
    """How a clip frames the face.

    size: pixels of the side of the crop.
    crop: ``face`` or ``head``, see dd-prep.
    mask: ``steady`` or ``paper``, see dd-prep.
    """

    size: int
    crop: str | None
    mask: str | None

    def __str__(self) -> str:
        return f"--size {self.size} --crop {self.crop} --mask {self.mask}"


def _layout(size: int, face_size: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape of one frame's share and type of every dataset."""
    return {
        "frames": ((size, size, 3), "u1"),
        "landmarks": ((68, 2), "<f4"),
        "mask": ((size, size), "u1"),
        "face": ((face_size, face_size, 3), "u1"),
        "crop_to_source": ((2, 3), "<f8"),
        "pts": ((), "<f8"),
        "status": ((), "u1"),
    }


_SMALL = ("landmarks", "crop_to_source", "pts", "status")  # read as a whole: many frames a chunk


class _Target(io.FileIO):
    """The file HDF5 writes to. `failure`: the first one; whatever HDF5 writes after it is thrown away.

    Told of a failure (a full disk), HDF5 cannot close the file any more and crashes when the program ends.
    """

    failure: OSError | None = None

    def write(self, content: memoryview) -> int:
        rest = memoryview(content).cast("B")
        while len(rest) and self.failure is None:
            with self._noting_failure():
                rest = rest[super().write(rest) :]
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        with self._noting_failure():
            return super().truncate(size)
        return size or 0

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = self.failure or error


class ClipWriter:
    """Append frames to a new clip file at `path` (use it inside `atomic_output`); a context manager.

    settings: every option that shaped the content. detector: ``{"name", "version"}``. history: list of history entries.
    Raises `OSError` where the disk is full.
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
        self._target = _Target(path, "w+")
        self._file = h5py.File(self._target, "w", libver=("earliest", "v110"))
        self._datasets = {}
        for name, (shape, dtype) in _layout(size, face_size).items():
            chunk = (1024 if name in _SMALL else 1, *shape)
            self._datasets[name] = self._file.create_dataset(
                name,
                (0, *shape),
                dtype,
                maxshape=(None, *shape),
                chunks=chunk,
                compression="gzip",
                compression_opts=1,
                shuffle=False,
                track_times=False,
            )
        attributes = {
            "format": FORMAT,
            "version": VERSION,
            "source": json.dumps(asdict(source), sort_keys=True),
            "detector": json.dumps(dict(detector), sort_keys=True),
            "settings": json.dumps(dict(settings), sort_keys=True),
            "history": json.dumps(history, sort_keys=True),
        }
        self._file.attrs.update(attributes)
        self._waiting: list[dict] = []
        self._batch = max(1, _BATCH // (size * size * 3))

    def append(self, **values: np.ndarray | float | int) -> None:
        """Add one frame: a value for every dataset, shaped as in the module's table without T."""
        self._waiting.append(values)
        if len(self._waiting) == self._batch:
            self._flush()
            self._check()

    def _flush(self) -> None:
        for name, dataset in self._datasets.items() if self._waiting else ():
            start = len(dataset)
            dataset.resize(start + len(self._waiting), axis=0)
            dataset[start:] = [values[name] for values in self._waiting]
        self._waiting.clear()

    def __enter__(self) -> "ClipWriter":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._file.close()
            self._target.close()
        if kind is None:
            self._check()

    def _check(self) -> None:
        if self._target.failure:
            raise self._target.failure


class Clip:
    """A clip file opened for reading and checked; a context manager.

    `frames`, `mask` and `face` are HDF5 datasets, read frame by frame; the small tracks `landmarks`, `crop_to_source`,
    `pts` and `status` are arrays in memory. Raises `DataError` for anything that is not a whole clip of this version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._file = _open(self.path)
        try:
            self._check()
        except BaseException:
            self._file.close()
            raise

    def _check(self) -> None:
        attributes = self._file.attrs
        if attributes.get("format") != FORMAT:
            raise DataError(f"cannot read '{self.path}': not a dd-clip file")
        if attributes.get("version") != VERSION:
            raise DataError(
                f"cannot read '{self.path}': clip version {attributes.get('version')}, this program reads {VERSION}"
            )
        try:
            self.source = Source(**json.loads(attributes["source"]))
            self.detector: dict = json.loads(attributes["detector"])
            self.settings: dict = json.loads(attributes["settings"])
            self.history: list[dict] = json.loads(attributes["history"])
            self.frames, self.mask, self.face = (self._file[name] for name in ("frames", "mask", "face"))
            self.size, self.face_size = self.frames.shape[1], self.face.shape[1]
            self.length = self.frames.shape[0]
            for name, (shape, dtype) in _layout(self.size, self.face_size).items():
                found = self._file[name]
                if found.shape != (self.length, *shape) or found.dtype != np.dtype(dtype):
                    raise DataError(
                        f"cannot read '{self.path}': {name} is {found.dtype} {found.shape}, "
                        f"expected {np.dtype(dtype)} {(self.length, *shape)}"
                    )
            self.landmarks, self.crop_to_source, self.pts, self.status = (
                self._file[name][:] for name in ("landmarks", "crop_to_source", "pts", "status")
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OSError) as error:
            raise DataError(f"cannot read '{self.path}': damaged clip file ({error})") from None
        if self.length == 0:
            raise DataError(f"cannot read '{self.path}': a clip without frames")

    @property
    def usable(self) -> np.ndarray:
        """Indices (int64) of the frames whose status is OK."""
        return np.flatnonzero(self.status == Status.OK)

    @property
    def framing(self) -> Framing:
        """How the clip frames the face."""
        return Framing(self.size, self.settings.get("crop"), self.settings.get("mask"))

    def check_usable(self, framing: Framing) -> None:
        """Raise `DataError` unless the clip has this framing and at least one usable frame."""
        if self.framing != framing:
            raise DataError(f"cannot use '{self.path}': prepared with {self.framing}, the renderer takes {framing}")
        if not len(self.usable):
            raise DataError(f"cannot use '{self.path}': no frame has a usable face")

    def __enter__(self) -> "Clip":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise DataError(f"cannot read '{path}': no such file") from None
    except OSError as error:
        if path.is_dir():
            reason = "it is a folder"
        elif "truncated" in str(error):
            reason = "truncated HDF5 file"
        elif error.errno in (13, 1):
            reason = "permission denied"
        else:
            reason = "not a dd-clip file"
        raise DataError(f"cannot read '{path}': {reason}") from None
