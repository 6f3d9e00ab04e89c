"""A video's frames by number."""

from collections import deque
from pathlib import Path

import numpy as np

from dd_tools.media.video import read_frames

BACKWARDS = 24  # frames kept while a video plays backwards


class NumberedFrames:
    """Frames by number, best asked for in rising order: for an earlier one decoding begins anew, and some frames before
    it are kept, in case they are asked for one after another backwards. A context manager that ends ffmpeg. fps, deep:
    see `read_frames`.
    """

    def __init__(self, path: Path, fps: float | None, *, deep: bool = False):
        self._path, self._fps, self._deep = path, fps, deep
        self._decoded = None

    def __enter__(self) -> "NumberedFrames":
        self._begin(kept=1)
        return self

    def __exit__(self, *_: object) -> None:
        self._decoded.close()

    def _begin(self, kept: int) -> None:
        if self._decoded:
            self._decoded.close()
        self._decoded = self._numbered()
        self._recent: deque[tuple[int, np.ndarray]] = deque(maxlen=kept)

    def _numbered(self):
        for number, frame in enumerate(read_frames(self._path, fps=self._fps, deep=self._deep)):
            yield number, frame.image

    def at(self, index: int) -> np.ndarray:
        """Frame `index`, (H, W, 3). Raises `DataError` as `read_frames` does, `IndexError` beyond the end."""
        if self._recent and index < self._recent[0][0]:
            self._begin(kept=BACKWARDS)
        while not self._recent or self._recent[-1][0] < index:
            following = next(self._decoded, None)
            if following is None:
                raise IndexError(f"frame {index} of '{self._path}'")
            self._recent.append(following)
        return self._recent[index - self._recent[0][0]][1]
