"""Access to the frames of a video by index."""

from collections import deque
from collections.abc import Generator
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.media.video import read_frames

BACKWARD_CACHE = 24  # frames kept after a step backwards


class IndexedFrames:
    """The frames of a video by index. Use it as a context manager; leaving the context closes the file.

    Reading in increasing order decodes the video once. A step backwards decodes it again from the start and keeps the
    last `BACKWARD_CACHE` frames, so that reading backwards decodes only once per that many frames.

    path: the video.
    options: fps, high_bit_depth and deinterlace, see `dd_tools.media.video.read_frames`.
    """

    def __init__(self, path: Path, **options: object):
        self._path, self._options = path, options
        self._decoded: Generator[tuple[int, np.ndarray]] | None = None

    def __enter__(self) -> "IndexedFrames":
        self._restart(cache=1)
        return self

    def __exit__(self, *_: object) -> None:
        self._decoded.close()

    def _restart(self, cache: int) -> None:
        """Decode from the start, keeping the last `cache` frames."""
        if self._decoded:
            self._decoded.close()
        self._decoded = self._decode()
        self._recent: deque[tuple[int, np.ndarray]] = deque(maxlen=cache)

    def _decode(self) -> Generator[tuple[int, np.ndarray]]:
        frames = read_frames(self._path, **self._options)
        for index, frame in enumerate(frames):
            yield index, frame.image

    def at(self, index: int) -> np.ndarray:
        """Frame `index`, (H, W, 3) RGB. Raises `DataError` as `read_frames` does, and after the last frame."""
        if self._recent and index < self._recent[0][0]:
            self._restart(cache=BACKWARD_CACHE)
        while not self._recent or self._recent[-1][0] < index:
            following = next(self._decoded, None)
            if following is None:
                raise DataError(f"cannot use '{self._path}': it has no frame {index}")
            self._recent.append(following)
        return self._recent[index - self._recent[0][0]][1]
