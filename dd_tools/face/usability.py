"""Which frames of a track can be dubbed, and why the others cannot.

A frame without a usable face never ends a job. It is marked with the reason, reported, and later passes through the
pipeline unchanged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dd_tools.errors import DataError
from dd_tools.face.affine import invert, transform
from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import LEFT_EYE_CORNERS, MOUTH_REGION, NOSE_TIP, RIGHT_EYE_CORNERS
from dd_tools.face.tracking.shots import shot_slices
from dd_tools.formats.clip import Status

MIN_EYE_DISTANCE = 8  # pixels
# The shipped models were trained on faces turned by up to 42°, beyond which detectors guess the far eye and jaw.
MAX_YAW = 45  # degrees
NOSE_DEPTH = 0.5  # depth of the nose tip before the line of the outer eye corners, in units of that line's length
VOTE_FRAMES = 5  # the majority of these, within a shot, decides, so that the status does not flicker

REASONS = {
    Status.NO_FACE: "no face",
    Status.OUT_OF_FRAME: "mouth outside the frame",
    Status.TOO_SMALL: f"face too small (less than {MIN_EYE_DISTANCE} pixels between the eyes)",
    Status.TURNED_AWAY: f"face turned too far to the side (more than {MAX_YAW} degrees)",
    Status.OTHER_SHOT: "speaker not in this shot",
    Status.COVERED: "mouth covered",
}


@dataclass(frozen=True)
class Span:
    """A run of frames with the same `Status`, other than OK.

    status: why these frames cannot be dubbed.
    first, last: numbers of the first and the last frame, both included.
    start, end: times of these two frames, in seconds.
    """

    status: Status
    first: int
    last: int
    start: float
    end: float


def frame_status(landmarks: np.ndarray, width: int, height: int, shots: np.ndarray | None = None) -> np.ndarray:
    """The `Status` of every frame, uint8 (T,), from landmarks (T,68,2) in frame pixels, NaN without a face.

    shots: (T,) rising numbers of the shots; None for a single one.
    """
    status = np.full(len(landmarks), Status.OK, np.uint8)
    status[majority(head_yaw(landmarks) > MAX_YAW, shots)] = Status.TURNED_AWAY
    status[~_is_mouth_inside(landmarks, width, height)] = Status.OUT_OF_FRAME
    status[scale_of(fit_poses(landmarks)) < MIN_EYE_DISTANCE] = Status.TOO_SMALL
    status[~np.isfinite(landmarks).all((1, 2))] = Status.NO_FACE
    return status


def check_usable(status: np.ndarray, path: Path) -> None:
    """Raise `DataError` if no frame of the video `path` can be dubbed, with the most frequent reason. status: (T,)."""
    if Status.OK not in status:
        reason = Status(int(np.bincount(status[status != Status.NO_FACE]).argmax()))
        raise DataError(f"no usable face in '{path}': {REASONS[reason]}")


def head_yaw(landmarks: np.ndarray) -> np.ndarray:
    """How far heads (T,68,2) are turned to either side, in degrees: (T,), 0 frontal, 90 in profile.

    The nose tip's offset from the middle of the outer eye corners grows with the tangent of the angle.
    """
    right, left = landmarks[:, RIGHT_EYE_CORNERS[0]], landmarks[:, LEFT_EYE_CORNERS[1]]
    eye_line = left - right
    offset = ((landmarks[:, NOSE_TIP] - (left + right) / 2) * eye_line).sum(-1)
    return np.degrees(np.arctan2(np.abs(offset), NOSE_DEPTH * np.square(eye_line).sum(-1)))


def majority(votes: np.ndarray, shots: np.ndarray | None = None) -> np.ndarray:
    """For each of `votes` (T,), whether most of the `VOTE_FRAMES` around it in its shot are True: bool (T,).

    shots: (T,) rising numbers of the shots; None for a single one.
    """
    result = np.empty_like(votes)
    for here in [slice(None)] if shots is None else shot_slices(shots):
        padded = np.pad(votes[here], VOTE_FRAMES // 2, mode="edge")
        result[here] = sliding_window_view(padded, VOTE_FRAMES).mean(-1) > 0.5
    return result


def mark_outside_crop(status: np.ndarray, landmarks: np.ndarray, crop_to_source: np.ndarray, size: int) -> None:
    """Set `status` (T,) to OUT_OF_FRAME where the mouth lies outside the crop of side `size`; changes it in place.

    landmarks: (T,68,2) in frame pixels. crop_to_source: (T,2,3).
    """
    for index in np.flatnonzero(status == Status.OK):
        if not _is_mouth_inside(transform(landmarks[index], invert(crop_to_source[index])), size, size):
            status[index] = Status.OUT_OF_FRAME


def _is_mouth_inside(landmarks: np.ndarray, width: int, height: int) -> np.ndarray:
    """Whether mouth and chin of landmarks (...,68,2) lie in a frame of this size: bool (...)."""
    points = landmarks[..., MOUTH_REGION, :]
    return ((points >= -0.5) & (points <= np.array([width, height]) - 0.5)).all((-2, -1))


def unusable_spans(status: np.ndarray, pts: np.ndarray) -> Iterator[Span]:
    """The runs of equal `status` (T,) that are not OK, in order. pts: (T,) times in seconds."""
    for value, run in groupby(range(len(status)), key=lambda index: status[index]):
        if value != Status.OK:
            indices = list(run)
            first, last = indices[0], indices[-1]
            yield Span(Status(int(value)), first, last, float(pts[first]), float(pts[last]))
