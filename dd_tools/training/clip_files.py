"""Clip files as training data: their headers are checked at the start, everything else is read when it is drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from dd_tools.errors import DataError
from dd_tools.face.geometry import face_image
from dd_tools.formats.clip import Clip, Framing, Status
from dd_tools.formats.clip_header import ClipHeader
from dd_tools.formats.stored_rows import StoredRows, damaged
from dd_tools.training.open_files import OpenFiles
from dd_tools.training.temporary_rows import TemporaryRows

CACHE_BYTES = 1 << 30  # of decoded frames that a training process keeps, its loader processes together
FRAMES, MASK, FACE = "frames", "mask", "face"
LANDMARKS, PTS = "landmarks", "pts"
_POINTS = np.dtype(("f4", (68, 2)))  # the landmarks of a frame


class ClipFiles:
    """The clips at `paths`, by index.

    Raises `DataError` for a clip that does not have the `framing` or the size of the others, or no usable frame. This
    takes two milliseconds per clip. What is damaged further inside is found when the clip is drawn, and named then; so
    is a clip whose frames have changed in number or status since the start.

    size: side of the crops. usable: indices of the usable frames of every clip.
    eyes: whether face images show the band of the eyes. cache_bytes: size of the decoded frames to keep in memory. They
    are kept until there is no more room: the frames that are drawn most often come first.
    """

    def __init__(self, paths: Sequence[Path], framing: Framing, *, eyes: bool = True, cache_bytes: int = CACHE_BYTES):
        self.paths, self._framing = list(paths), framing
        self._files: OpenFiles[BinaryIO] = OpenFiles(self._open)
        self._stored: dict[int, dict[str, StoredRows]] = {}
        self._cache, self._room = {}, cache_bytes
        self.size = ClipHeader(self.paths[0]).size
        self._statuses = [self._checked(ClipHeader(path)).status for path in self.paths]
        self.usable = [np.flatnonzero(status == Status.OK) for status in self._statuses]
        counts = list(map(len, self._statuses))
        self._landmarks = None if eyes else TemporaryRows(counts, _POINTS, self._read_landmarks)

    def _checked(self, clip: ClipHeader) -> ClipHeader:
        """The clip, if it can be trained on together with the others."""
        clip.check_usable(self._framing)
        if clip.size != self.size:
            raise DataError(
                f"cannot train on '{clip.path}' together with '{self.paths[0]}': crops of {clip.size} and {self.size} "
                "pixels; prepare all clips with the same --size"
            )
        return clip

    def __len__(self) -> int:
        return len(self.paths)

    def __getstate__(self) -> dict:
        """For loader processes that are not forked, as on macOS and Windows."""
        return self.__dict__ | {"_cache": {}}

    def read(self, dataset: str, frames: Sequence[tuple[int, int]]) -> Tensor:
        """`FRAMES`, `MASK` or `FACE` images, uint8 (N, ...), of N frames, each a clip's index and a frame's.

        Raises `DataError` if a file is damaged.
        """
        pixels = {frame: self._cached(dataset, *frame) for frame in dict.fromkeys(frames)}  # each decoded once
        return torch.from_numpy(np.stack([pixels[frame] for frame in frames]))

    def read_whole(self, dataset: str, clip: int) -> np.ndarray:
        """`LANDMARKS` or `PTS` of all frames of a clip (T, ...). They are not kept. Raises as `read`."""
        try:
            return self._places(clip)[dataset].read_all(self._files[clip])
        except (OSError, ValueError) as error:
            raise damaged(self.paths[clip], error) from None

    def _read_landmarks(self, clip: int) -> np.ndarray:
        return self.read_whole(LANDMARKS, clip)

    def _places(self, clip: int) -> dict[str, StoredRows]:
        """Where everything lies in the file of a clip, which is validated when it is drawn for the first time."""
        if clip not in self._stored:
            with Clip(self.paths[clip]) as opened:
                self._checked(opened)
                if not np.array_equal(opened.status, self._statuses[clip]):
                    raise DataError(
                        f"cannot train on '{opened.path}': changed while the training ran; continue with --resume"
                    )
                self._stored[clip] = {name: opened.stored[name] for name in (FRAMES, MASK, FACE, LANDMARKS, PTS)}
        return self._stored[clip]

    def _cached(self, dataset: str, clip: int, frame: int) -> np.ndarray:
        key = dataset, clip, frame
        if key in self._cache:
            return self._cache[key]
        pixels = self._decode(dataset, clip, frame)
        loader = get_worker_info()
        size = pixels.nbytes * (loader.num_workers if loader else 1)  # as every loader process keeps frames
        if size <= self._room:
            self._cache[key] = pixels
            self._room -= size
        return pixels

    def _decode(self, dataset: str, clip: int, frame: int) -> np.ndarray:
        if dataset == FACE and self._landmarks is not None:
            crop, landmarks = self._decode(FRAMES, clip, frame), self._landmarks[clip][frame]
            return face_image(crop, landmarks, self.size, eyes=False)
        try:
            return self._places(clip)[dataset].read(self._files[clip], frame)
        except (OSError, ValueError) as error:
            raise damaged(self.paths[clip], error) from None

    def _open(self, clip: int) -> BinaryIO:
        return open(self.paths[clip], "rb", buffering=0)
