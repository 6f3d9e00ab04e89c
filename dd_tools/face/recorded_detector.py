"""A detector whose results are recorded in a file, so that an interrupted preparation need not detect them again."""

import contextlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dd_tools import __version__
from dd_tools.errors import DataError, reason
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.history import sha256_of
from dd_tools.formats.parts import parts_folder
from dd_tools.reporting import Reporter

_NO_FACE = np.empty(0, np.float32)  # how the file stores None
_HEADER = struct.Struct("<II")  # of each result: bytes of the NPY data that follow, and their CRC-32
_LARGEST = 1 << 20  # bytes of a result: 2000 faces


class RecordedDetector:
    """A `Detector` that records the results of another one in the file `path`. Use it as a context manager.

    When it is opened again, it returns the recorded results in order before it calls the other detector. The calls must
    therefore be the same as in the interrupted run, on the same video. A truncated or damaged result is detected again,
    with all after it. Raises `DataError` if the file cannot be written.
    """

    def __init__(self, detector: Detector, path: Path):
        self.name, self.version = detector.name, detector.version
        self._detector, self._path = detector, path
        self._file = None

    def __enter__(self) -> "RecordedDetector":
        self._file = open(self._path, "a+b")
        self._file.seek(0)
        self._is_replaying = True
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # what a full disk does not store is detected again
            self._file.close()

    def detect(self, frame: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """See `Detector.detect`."""
        return self._replay_or(lambda: self._detector.detect(frame, thorough=thorough))

    def follow(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """See `Detector.follow`."""

        def follow() -> np.ndarray:
            face = self._detector.follow(frame, landmarks)
            return _NO_FACE if face is None else face

        face = self._replay_or(follow)
        return face if face.size else None

    def _replay_or(self, detect: Callable[[], np.ndarray]) -> np.ndarray:
        """The next recorded result; after the last one, that of `detect`, which is recorded."""
        if self._is_replaying:
            result = self._read()
            if result is not None:
                return result
            self._is_replaying = False
        result = detect()
        self._append(result)
        return result

    def _read(self) -> np.ndarray | None:
        """The next result in the file; None at its end, where a truncated or damaged result is removed."""
        start = self._file.tell()
        header = self._file.read(_HEADER.size)
        size, checksum = _HEADER.unpack(header) if len(header) == _HEADER.size else (0, 0)
        record = self._file.read(min(size, _LARGEST))
        if record and len(record) == size and zlib.crc32(record) == checksum:
            return np.load(io.BytesIO(record), allow_pickle=False)
        self._file.seek(start)
        self._file.truncate()
        return None

    def _append(self, result: np.ndarray) -> None:
        stream = io.BytesIO()
        np.save(stream, result)
        record = stream.getvalue()
        try:
            self._file.write(_HEADER.pack(len(record), zlib.crc32(record)) + record)
        except OSError as error:
            raise DataError(f"cannot write '{self._path}': {reason(error)}") from None


@contextlib.contextmanager
def resumable_detector(
    detector: Detector, video_path: Path, clip_path: Path, settings: PrepSettings, *, resume: bool, report: Reporter
) -> Iterator[Detector]:
    """Record the results of `detector` in the folder CLIP.h5.parts, which is removed when the block succeeds.

    resume: reuse what an interrupted run recorded, if the video, the settings, the detector and the version of this
    program are the same. report: see `parts_folder`.
    """
    key = {
        "video": sha256_of(video_path),
        "settings": repr(settings),
        "program": [__version__, detector.name, detector.version],
    }
    with (
        parts_folder(clip_path, key, resume=resume, report=report) as folder,
        RecordedDetector(detector, folder / "detections") as recorded,
    ):
        yield recorded
