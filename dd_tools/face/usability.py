"""Which frames of a track can be dubbed, and why the others cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import MOUTH
from dd_tools.face.warping import inverted, transform
from dd_tools.formats.clip import Status

SMALLEST_FACE = 8  # pixels between the eyes
MOUTH_REGION = [*range(6, 11), *range(MOUTH.start, MOUTH.stop)]  # chin and lips

REASONS = {
    Status.NO_FACE: "no face",
    Status.OUT_OF_FRAME: "mouth outside the picture",
    Status.TOO_SMALL: f"face too small (less than {SMALLEST_FACE} pixels between the eyes)",
}


@dataclass(frozen=True)
class Span:
    """Frames `first` to `last`, both included, of one `status` other than OK; start, end: their times in seconds."""

    status: Status
    first: int
    last: int
    start: float
    end: float


def frame_status(landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
    """`Status` of every frame as uint8 (T,), from landmarks (T,68,2) in picture pixels, NaN where no face is."""
    status = np.full(len(landmarks), Status.OK, np.uint8)
    status[~_mouth_inside(landmarks, width, height)] = Status.OUT_OF_FRAME
    status[scale_of(fit_poses(landmarks)) < SMALLEST_FACE] = Status.TOO_SMALL
    status[~np.isfinite(landmarks).all((1, 2))] = Status.NO_FACE
    return status


def mark_cut_off(status: np.ndarray, landmarks: np.ndarray, crops: np.ndarray, size: int) -> None:
    """Set `status` (T,) to OUT_OF_FRAME where the mouth lies outside the crop: crop_to_source (T,2,3), side `size`."""
    for index in np.flatnonzero(status == Status.OK):
        if not _mouth_inside(transform(landmarks[index], inverted(crops[index])), size, size):
            status[index] = Status.OUT_OF_FRAME


def _mouth_inside(landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
    """Whether mouth and chin of landmarks (..., 68, 2) lie in a picture: bool (...)."""
    points = landmarks[..., MOUTH_REGION, :]
    return ((points >= -0.5) & (points <= np.array([width, height]) - 0.5)).all((-2, -1))


def unusable_spans(status: np.ndarray, pts: np.ndarray) -> Iterator[Span]:
    """The runs of equal status (T,) that are not OK, in order."""
    for value, run in groupby(range(len(status)), key=lambda index: status[index]):
        if value != Status.OK:
            indices = list(run)
            first, last = indices[0], indices[-1]
            yield Span(Status(int(value)), first, last, float(pts[first]), float(pts[last]))
