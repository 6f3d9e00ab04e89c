"""Clip files as training data: checked at the start, read frame by frame."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from dd_tools.errors import DataError
from dd_tools.face.geometry import face_image
from dd_tools.formats.clip import Clip, Framing
from dd_tools.formats.stored_rows import StoredRows, damaged
from dd_tools.training.open_files import OpenFiles

Summary = TypeVar("Summary")

CACHE_BYTES = 1 << 30  # of decoded frames that a training process keeps, its loader processes together
FRAMES, MASK, FACE = "frames", "mask", "face"


class ClipFiles:
    """The clips at `paths`, by index.

    Raises `DataError` for a clip that does not have the `framing` or the size of the others, or no usable frame.

    usable: indices of the usable frames of every clip.
    eyes: whether face images show the band of the eyes. cache_bytes: size of the decoded frames to keep in memory. They
    are kept until there is no more room: the frames that are drawn most often come first.
    """

    def __init__(self, paths: Sequence[Path], framing: Framing, *, eyes: bool = True, cache_bytes: int = CACHE_BYTES):
        self.paths, self._framing = list(paths), framing
        self._files: OpenFiles[BinaryIO] = OpenFiles(self._open)
        self._cache, self._room = {}, cache_bytes
        self.usable, self._stored, sizes = map(list, zip(*self.summarise(_usable_and_stored), strict=True))
        self._size = sizes[0]
        self._check_sizes(sizes)
        self._landmarks = None if eyes else self.summarise(lambda clip: clip.landmarks)

    def summarise(self, function: Callable[[Clip], Summary]) -> list[Summary]:
        """Call `function` on every clip and return the results."""
        summaries = []
        for path in self.paths:
            with Clip(path) as clip:
                clip.check_usable(self._framing)
                summaries.append(function(clip))
        return summaries

    def _check_sizes(self, sizes: Sequence[int]) -> None:
        for path, size in zip(self.paths, sizes, strict=True):
            if size != self._size:
                raise DataError(
                    f"cannot train on '{path}' together with '{self.paths[0]}': crops of {size} and {self._size} "
                    "pixels; prepare all clips with the same --size"
                )

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
            return face_image(crop, landmarks, self._size, eyes=False)
        try:
            return self._stored[clip][dataset].read(self._files[clip], frame)
        except (OSError, ValueError) as error:
            raise damaged(self.paths[clip], error) from None

    def _open(self, clip: int) -> BinaryIO:
        return open(self.paths[clip], "rb", buffering=0)


def _usable_and_stored(clip: Clip) -> tuple[np.ndarray, dict[str, StoredRows], int]:
    """Indices of the usable frames, where frames lie in the file, and the side of the crop."""
    return clip.usable, clip.stored, clip.size
