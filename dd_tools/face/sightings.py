"""What a detector has seen, written down: a killed job does not look twice."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.landmarks import Detector

_NOTHING = np.empty(0, np.float32)  # how None is written


class Sightings:
    """A `Detector` that keeps the answers of another one in a file; a context manager.

    Asked again from the beginning, it answers what the file at `path` holds, one answer after another, and then goes on
    looking. So the questions have to be the same ones in the same order: those of one job on one video. An answer that
    a kill cut short is looked for anew. Raises `DataError` where the file cannot be written.
    """

    def __init__(self, detector: Detector, path: Path):
        self.name, self.version = detector.name, detector.version
        self._detector, self._path = detector, path
        self._file = None

    def __enter__(self) -> "Sightings":
        self._file = open(self._path, "a+b")
        self._file.seek(0)
        self._remembers = True
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # what a full disk does not take is looked for again
            self._file.close()

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """See `Detector.detect`."""
        return self._answer(lambda: self._detector.detect(image, thorough=thorough))

    def follow(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """See `Detector.follow`."""

        def look() -> np.ndarray:
            found = self._detector.follow(image, landmarks)
            return _NOTHING if found is None else found

        answer = self._answer(look)
        return answer if answer.size else None

    def _answer(self, look: Callable[[], np.ndarray]) -> np.ndarray:
        if self._remembers:
            answer = self._recall()
            if answer is not None:
                return answer
            self._remembers = False
        answer = look()
        self._note(answer)
        return answer

    def _recall(self) -> np.ndarray | None:
        """The next answer in the file; None at its end, from where on it is written."""
        start = self._file.tell()
        try:
            return np.load(self._file, allow_pickle=False)
        except (ValueError, EOFError):
            self._file.seek(start)
            self._file.truncate()
            return None

    def _note(self, answer: np.ndarray) -> None:
        record = io.BytesIO()
        np.save(record, answer)
        try:
            self._file.write(record.getvalue())
        except OSError as error:
            raise DataError(f"cannot write '{self._path}': {error.strerror}") from None
