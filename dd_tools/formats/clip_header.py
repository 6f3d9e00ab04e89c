"""What a clip says of itself, and which of its frames can be used, read without its frames."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.clip_checks import (
    check_detector,
    check_history,
    check_length,
    check_settings,
    check_source,
    check_status,
)
from dd_tools.formats.hdf5_input import attribute, dataset_shape, open_hdf5, stored_rows
from dd_tools.formats.stored_rows import damaged
from dd_tools.formats.strict_json import parse_json, parse_object

FORMAT = "dd-clip"
VERSION = 2
WITHOUT_SHOTS = 1  # the version before it, whose clips do not tell where the cuts are
ATTRIBUTES = ("format", "version", "source", "detector", "settings", "history")


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


class ClipHeader:
    """The attributes of a clip file, the size of its crops and the status of its frames.

    Reading it takes a twentieth of the time that it takes to find all frames of a long clip. `size` is S; `status` is
    uint8 (T,). `source` is a `Source`; `detector`, `settings` and `history` are the values given to `ClipWriter`.

    path: the file. Raises `DataError` unless it is a clip of version 1 or 2 and these are valid.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with open_hdf5(self.path, FORMAT, ATTRIBUTES) as file:
            try:
                self._read(file)
            except (LookupError, TypeError, ValueError, ArithmeticError, OSError, RuntimeError) as error:
                raise damaged(self.path, error) from None

    def _read(self, file: h5py.File) -> None:
        self._check_version(file)
        self._load_attributes(file)
        frames, rows = dataset_shape(file, "frames"), stored_rows(file, "status")
        if rows.length != frames[0] or rows.length == 0 or rows.shape or rows.dtype != np.uint8:
            raise ValueError("frames and status do not belong together")
        check_length(rows.length, self.path.stat().st_size)
        self.size = frames[1]
        with open(self.path, "rb", buffering=0) as content:
            self.status = rows.read_all(content)
        check_status(self.status, max(Status))

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
