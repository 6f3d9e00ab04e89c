"""What a clip's page shows, gathered while the clip is scored: a video of both in step, curves, the worst frames."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.quality import psnr
from dd_tools.face.landmarks import lip_aperture
from dd_tools.formats.atomic import atomic_output
from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.joining import Sound, join
from dd_tools.media.rates import exact_rate

WORST = 8  # frames shown, at most one of every second
ERROR_SCALE = 64  # grey levels at which the error map is brightest
GAP = 4  # pixels between pictures
VIDEO_QUALITY, PICTURE_QUALITY = 20, 90


@dataclass(frozen=True)
class Moment:
    """A frame's place on the curves: its number, time in seconds, PSNR in dB and both apertures; NaN where unknown."""

    number: int
    pts: float
    psnr: float
    truth_aperture: float
    aperture: float


class Exhibits:
    """An observer that writes ``NAME.mp4`` (truth, generated, error map) to `folder` and keeps what is to be drawn.

    name: of the clip's files. rate: of the truth, frames a second. sound: the file whose sound track goes along, or
    None. A context manager; the video is there after it, `moments` (a few numbers a frame) and `worst` after `save`.
    """

    def __init__(self, folder: Path, name: str, rate: float, sound: Path | None):
        self.name = name
        self.moments: list[Moment] = []
        self.worst: list[tuple[Moment, str]] = []  # with the picture's file name, worst first
        self._folder, self._rate, self._sound = folder, rate or 25.0, sound
        self._worst: dict[int, tuple[Moment, np.ndarray]] = {}  # by second
        self._errors: np.ndarray | None = None
        self._stack = contextlib.ExitStack()
        self._video: VideoWriter | None = None

    def __enter__(self) -> "Exhibits":
        self._pictures = self._stack.enter_context(_removed(self._folder / f".{self.name}.pictures.mp4"))
        return self

    def __exit__(self, *error: object) -> None:
        with self._stack:
            if self._video:
                self._video.__exit__(*error)
                if error[0] is None:
                    self._add_sound()

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        truth, generated = frame.whole
        error = np.abs(np.int16(truth) - generated).mean(-1, dtype=np.float32)
        self._errors = error if self._errors is None else self._errors + error
        self._write(_side_by_side(truth, generated, error_map(error)), frame.generated.pts)
        faces = frame.landmarks
        apertures = (np.nan, np.nan) if faces is None else (float(lip_aperture(face)) for face in faces)
        quality = psnr(frame)
        moment = Moment(len(self.moments), frame.generated.pts, np.nan if quality is None else quality, *apertures)
        self.moments.append(moment)
        if quality is not None and np.isfinite(quality):
            self._compare(frame, moment)

    def _write(self, picture: np.ndarray, pts: float) -> None:
        if self._video is None:
            height, width, _ = picture.shape
            encoding = Encoding(quality=VIDEO_QUALITY)
            self._video = VideoWriter(self._pictures, width, height, self._rate, encoding).__enter__()
        self._video.write(picture, pts)

    def _compare(self, frame: FramePair, moment: Moment) -> None:
        """Keep the frame if it is among the worst, each second's worst only."""
        second = int(moment.pts)
        if second in self._worst and self._worst[second][0].psnr <= moment.psnr:
            return
        truth, generated = frame.region
        error = np.abs(np.int16(truth) - generated).mean(-1, dtype=np.float32)
        self._worst[second] = moment, _side_by_side(truth, generated, error_map(error))
        if len(self._worst) > WORST:
            del self._worst[max(self._worst, key=lambda one: self._worst[one][0].psnr)]

    def _add_sound(self) -> None:
        rate, first, last = exact_rate(self._rate), self.moments[0].pts, self.moments[-1].pts
        sound = Sound(self._sound) if self._sound else None
        with atomic_output(self._folder / self.video) as temporary:
            join([(self._pictures, first)], temporary, rate, sound=sound, seconds=last + float(1 / rate))

    @property
    def video(self) -> str:
        """The video's file name."""
        return f"{self.name}.mp4"

    @property
    def mean_error(self) -> str:
        """The file name of the map of mean errors, which `save` writes."""
        return f"{self.name}-error.jpg"

    def save(self) -> None:
        """Write the pictures of the worst frames and of the mean error."""
        self.worst = []
        for place, (moment, strip) in enumerate(sorted(self._worst.values(), key=lambda one: one[0].psnr), start=1):
            file = f"{self.name}-worst{place}.jpg"
            _write_picture(self._folder / file, strip)
            self.worst.append((moment, file))
        _write_picture(self._folder / self.mean_error, error_map(self._errors / len(self.moments)))


def error_map(error: np.ndarray) -> np.ndarray:
    """Grey levels of error (H,W) as colours from black to yellow, uint8 (H,W,3)."""
    levels = np.clip(error * (255 / ERROR_SCALE), 0, 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]


def _side_by_side(*pictures: np.ndarray) -> np.ndarray:
    gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (gap, picture)][1:])


def _write_picture(path: Path, picture: np.ndarray) -> None:
    _, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])
    with atomic_output(path) as temporary:
        temporary.write_bytes(content.tobytes())


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
