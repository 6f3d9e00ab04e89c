"""Decodes a pair of videos into pairs of frames with landmarks, and checks that the videos belong together."""

from collections.abc import Callable, Iterable, Iterator
from itertools import tee, zip_longest
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.evaluation.frames import FaceFrame
from dd_tools.evaluation.pairs import VideoPair
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.tracking.choosers import most_prominent
from dd_tools.face.tracking.shots import number_shots
from dd_tools.face.tracking.speaker import track_speaker
from dd_tools.media.video import VideoInfo, read_frames

COUNT_TOLERANCE = 1  # frames; encoders may drop or repeat the last one
SPEED_TOLERANCE = 0.05  # relative difference of the times that the same frames take


def read_face_frames(video: Path | VideoInfo, detector: Detector, say: Callable[[str], None]) -> Iterator[FaceFrame]:
    """The frames of a video, each with the landmarks of its most prominent face.

    say: called with a one-line message if part of the video cannot be decoded.
    """
    frames, copies = tee(read_frames(video, on_damage=say))
    faces = track_speaker(number_shots(frame.image for frame in copies), detector, most_prominent)
    for frame, landmarks in zip(frames, faces, strict=True):
        yield FaceFrame(frame.image, landmarks, frame.pts)


def pair_frames(
    truth: Iterable[FaceFrame], generated: Iterable[FaceFrame], pair: VideoPair, *, allow_shorter: bool = False
) -> Iterator[tuple[FaceFrame, FaceFrame]]:
    """Frames with the same number from both videos, truth first.

    allow_shorter: stop at the end of the shorter video. Raises `DataError` after the last frame if the frame counts
    differ by more than `COUNT_TOLERANCE`, or if the same frames take a different time in the two videos.
    """
    counts, first, last = [0, 0], None, None
    for frames in zip_longest(truth, generated):
        counts = [count + (frame is not None) for count, frame in zip(counts, frames, strict=True)]
        if None not in frames:
            last = np.array([frame.pts for frame in frames])
            first = last if first is None else first
            yield frames
        elif allow_shorter:
            break
    if not allow_shorter:
        _check_counts(counts, pair)
    _check_speeds(last - first, min(counts), pair)


def _check_counts(counts: list[int], pair: VideoPair) -> None:
    if abs(counts[0] - counts[1]) > COUNT_TOLERANCE:
        raise DataError(
            f"'{pair.generated}' has {counts[1]} frames but its truth '{pair.truth}' has {counts[0]}: "
            "trim them to the same length, or use --align shortest to compare the common start"
        )


def _check_speeds(seconds: np.ndarray, count: int, pair: VideoPair) -> None:
    """seconds: time from the first to the last common frame in truth and generated video."""
    if np.ptp(seconds) > SPEED_TOLERANCE * seconds.max():
        raise DataError(
            f"'{pair.generated}' and its truth '{pair.truth}' have different frame rates: the same {count} frames "
            f"take {seconds[1]:.2f} s and {seconds[0]:.2f} s; convert both to one frame rate"
        )
