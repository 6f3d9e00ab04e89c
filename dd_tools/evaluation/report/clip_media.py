"""What a clip's page shows, collected while the clip is scored: a side-by-side video, curves, and the worst frames."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.psnr import psnr
from dd_tools.face.landmarks import lip_aperture
from dd_tools.formats.atomic import atomic_output
from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.joining import AudioTrack, join
from dd_tools.media.rates import exact_rate

CLIPS = "clips"  # subfolder of a report with the files of all clips
WORST = 8  # number of worst frames on a page, at most one of each second
ERROR_SCALE = 64  # grey levels of error at which the error map reaches its brightest colour
GAP = 4  # pixels between frames side by side
DEFAULT_RATE = 25.0  # frames per second of an image
VIDEO_QUALITY, JPEG_QUALITY = 20, 90


@dataclass(frozen=True)
class CurvePoint:
    """One frame of the curves: index, time in seconds, PSNR in dB, lip apertures in pixels; NaN if unknown."""

    index: int
    pts: float
    psnr: float
    truth_aperture: float
    generated_aperture: float


class ClipMedia:
    """An observer that writes ``NAME.mp4`` (truth, generated, error map) and collects the rest of a clip's page.

    folder, name: where and under which name the clip's files are written. rate: frames per second of the truth, 0 if it
    has none. audio: the file whose audio track the video gets, or None. Use it as a context manager: the video is
    written when the ``with`` block ends without an exception. `points` has one entry per frame; `worst` is filled by
    `save`.
    """

    def __init__(self, folder: Path, name: str, rate: float, audio: Path | None):
        self.name = name
        self.points: list[CurvePoint] = []
        self.worst: list[tuple[CurvePoint, str]] = []  # with the name of its image file; worst first
        self._folder, self._rate, self._audio = folder, rate or DEFAULT_RATE, audio
        self._worst: dict[int, tuple[CurvePoint, np.ndarray]] = {}  # by second
        self._error_sum: np.ndarray | None = None
        self._stack = contextlib.ExitStack()
        self._video: VideoWriter | None = None

    def __enter__(self) -> "ClipMedia":
        self._silent_video = self._stack.enter_context(_removed(self._folder / f".{self.name}.silent.mp4"))
        return self

    def __exit__(self, *error: object) -> None:
        with self._stack:
            if self._video:
                self._video.__exit__(*error)
                if error[0] is None:
                    self._add_audio()

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        error = mean_error(*frame.resized)
        self._error_sum = error if self._error_sum is None else self._error_sum + error
        self._write(_side_by_side(*frame.resized, error_colours(error)), frame.generated.pts)
        point = _curve_point(len(self.points), frame)
        self.points.append(point)
        if math.isfinite(point.psnr):
            self._keep_if_worst(frame, point)

    def _write(self, pixels: np.ndarray, pts: float) -> None:
        if self._video is None:
            height, width, _ = pixels.shape
            encoding = Encoding(quality=VIDEO_QUALITY)
            self._video = VideoWriter(self._silent_video, width, height, self._rate, encoding).__enter__()
        self._video.write(pixels, pts)

    def _keep_if_worst(self, frame: FramePair, point: CurvePoint) -> None:
        """Keep the frame if it is the worst of its second and among the `WORST` worst."""
        second = int(point.pts)
        if second in self._worst and self._worst[second][0].psnr <= point.psnr:
            return
        self._worst[second] = point, _side_by_side(*frame.region, error_colours(mean_error(*frame.region)))
        if len(self._worst) > WORST:
            del self._worst[max(self._worst, key=lambda one: self._worst[one][0].psnr)]

    def _add_audio(self) -> None:
        rate, first, last = exact_rate(self._rate), self.points[0].pts, self.points[-1].pts
        audio = AudioTrack(self._audio) if self._audio else None
        with atomic_output(self._folder / self.video) as temporary:
            join([(self._silent_video, first)], temporary, rate, audio=audio, seconds=last + float(1 / rate))

    @property
    def page(self) -> str:
        """The page's file name."""
        return f"{self.name}.html"

    @property
    def video(self) -> str:
        """The video's file name."""
        return f"{self.name}.mp4"

    @property
    def mean_error_image(self) -> str:
        """The file name of the map of mean errors that `save` writes."""
        return f"{self.name}-error.jpg"

    def save(self) -> None:
        """Write the images of the worst frames and of the mean error."""
        self.worst = []
        for rank, (point, strip) in enumerate(sorted(self._worst.values(), key=lambda one: one[0].psnr), start=1):
            file = f"{self.name}-worst{rank}.jpg"
            _write_jpeg(self._folder / file, strip)
            self.worst.append((point, file))
        _write_jpeg(self._folder / self.mean_error_image, error_colours(self._error_sum / len(self.points)))


def _curve_point(index: int, frame: FramePair) -> CurvePoint:
    faces, quality = frame.landmarks, psnr(frame)
    apertures = (math.nan, math.nan) if faces is None else (float(lip_aperture(face)) for face in faces)
    return CurvePoint(index, frame.generated.pts, math.nan if quality is None else quality, *apertures)


def mean_error(truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Absolute difference of frames uint8 (H,W,3), averaged over the channels: float32 (H,W) in grey levels."""
    return np.abs(np.int16(truth) - generated).mean(-1, dtype=np.float32)


def error_colours(error: np.ndarray) -> np.ndarray:
    """Grey levels of error (H,W) as colours uint8 (H,W,3) RGB, from black to yellow."""
    levels = np.clip(error * (255 / ERROR_SCALE), 0, 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]


def _side_by_side(*frames: np.ndarray) -> np.ndarray:
    gap = np.full((len(frames[0]), GAP, 3), 255, np.uint8)
    return np.hstack([part for frame in frames for part in (gap, frame)][1:])


def _write_jpeg(path: Path, pixels: np.ndarray) -> None:
    _, content = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    with atomic_output(path) as temporary:
        temporary.write_bytes(content.tobytes())


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
