"""Which frames of a track can be dubbed, and why the others cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import MOUTH
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
    status[~inside(landmarks[:, MOUTH_REGION], width, height)] = Status.OUT_OF_FRAME
    status[scale_of(fit_poses(landmarks)) < SMALLEST_FACE] = Status.TOO_SMALL
    status[~np.isfinite(landmarks).all((1, 2))] = Status.NO_FACE
    return status


def inside(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Whether all of each frame's points (T,N,2) lie in a picture: bool (T,)."""
    return ((points >= -0.5) & (points <= np.array([width, height]) - 0.5)).all((1, 2))


def unusable_spans(status: np.ndarray, pts: np.ndarray) -> Iterator[Span]:
    """The runs of equal status (T,) that are not OK, in order."""
    for value, run in groupby(range(len(status)), key=lambda index: status[index]):
        if value != Status.OK:
            indices = list(run)
            first, last = indices[0], indices[-1]
            yield Span(Status(int(value)), first, last, float(pts[first]), float(pts[last]))
