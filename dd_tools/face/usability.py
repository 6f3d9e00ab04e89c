"""Which frames of a track can be dubbed, and why the others cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import LEFT_EYE_CORNERS, MOUTH_REGION, NOSE_TIP, RIGHT_EYE_CORNERS
from dd_tools.face.warping import inverted, transform
from dd_tools.formats.clip import Status

SMALLEST_FACE = 8  # pixels between the eyes
# The shipped models were trained on faces turned by up to 42°, where the farther eye and jaw begin to be guessed.
LARGEST_TURN = 45  # degrees
NOSE_DEPTH = 0.5  # how far the tip of the nose lies before the line of the outer eye corners, in units of its length
VOTERS = 5  # frames that decide by majority whether one is turned away, or it would flicker at the limit

REASONS = {
    Status.NO_FACE: "no face",
    Status.OUT_OF_FRAME: "mouth outside the picture",
    Status.TOO_SMALL: f"face too small (less than {SMALLEST_FACE} pixels between the eyes)",
    Status.TURNED_AWAY: f"face turned too far to the side (more than {LARGEST_TURN} degrees)",
    Status.OTHER_SHOT: "speaker not in this shot",
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
    status[_is_turned_away(landmarks)] = Status.TURNED_AWAY
    status[~_mouth_inside(landmarks, width, height)] = Status.OUT_OF_FRAME
    status[scale_of(fit_poses(landmarks)) < SMALLEST_FACE] = Status.TOO_SMALL
    status[~np.isfinite(landmarks).all((1, 2))] = Status.NO_FACE
    return status


def turn(landmarks: np.ndarray) -> np.ndarray:
    """How far faces (T,68,2) are turned to the side, in degrees: 0 is frontal, 90 in profile; (T,).

    The nose's tip wanders from the middle between the outer eye corners by the tangent of the angle.
    """
    right, left = landmarks[:, RIGHT_EYE_CORNERS[0]], landmarks[:, LEFT_EYE_CORNERS[1]]
    across = left - right
    aside = ((landmarks[:, NOSE_TIP] - (left + right) / 2) * across).sum(-1)
    return np.degrees(np.arctan2(np.abs(aside), NOSE_DEPTH * np.square(across).sum(-1)))


def _is_turned_away(landmarks: np.ndarray) -> np.ndarray:
    turned = np.pad(turn(landmarks) > LARGEST_TURN, VOTERS // 2, mode="edge")
    return sliding_window_view(turned, VOTERS).mean(-1) > 0.5


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
