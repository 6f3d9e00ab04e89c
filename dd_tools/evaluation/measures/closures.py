"""Whether the generated lips close where the truth's do: at p, b and m, where an open mouth is noticed most."""

import math
from array import array
from collections.abc import Iterator

import numpy as np

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.aperture import MAX_DELAY, MIN_FRAMES, LipAperture, lip_delay
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.evaluation.measures.mouth import relative_aperture

CLOSED = 0.03  # interocular distances: lips with a smaller aperture are closed
MAX_SECONDS = 0.5  # lips that stay closed for longer are at rest
NEIGHBOURS = 1  # frames before and after a closure in which the other lips may be closed instead
ROUNDING = 0.001  # seconds, to which containers such as Matroska round times

_SETTINGS = (
    f"below-{CLOSED}-interocular,at-most-{MAX_SECONDS}+{ROUNDING}-s,{NEIGHBOURS}-frame-tolerance,"
    f"at-best-delay-within-{MAX_DELAY}-frames,at-0-below-{MIN_FRAMES}-frames"
)
LABELS = (
    Label("closure_recall", "closure recall", "", Better.HIGHER, 2, _SETTINGS),
    Label("closure_precision", "closure precision", "", Better.HIGHER, 2, _SETTINGS),
)


class Closures(Measure):
    """Compares the lip closures of both videos: runs of at most `MAX_SECONDS` with an aperture below `CLOSED`.

    Two values from 0 to 1. Recall: the share of the truth's closures at which the generated lips are closed too.
    Precision: the share of the generated closures at which the truth's lips are closed. "At" a closure means in any of
    its frames or in `NEIGHBOURS` frames on either side, after the generated lips have been moved back by their delay
    (see `lip_delay`; 0 if there is none). Frames without a face interrupt a closure; closures during which the other
    video has no face do not count. NaN without closures. Lips that stay closed have a recall of 1 and no precision.
    """

    labels = LABELS

    def __init__(self) -> None:
        self._lips = LipAperture()
        self._truth, self._generated = _Track(), _Track()

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        self._lips.add(frame)
        self._truth.add(frame.truth)
        self._generated.add(frame.generated)

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        found, _ = lip_delay(*self._lips.apertures)
        delay = 0 if math.isnan(found) else round(found)
        truth, generated = self._truth, self._generated
        return truth.share_matched_by(generated, delay), generated.share_matched_by(truth, -delay)


class _Track:
    """The lips of one video over time."""

    def __init__(self) -> None:
        self._frames = array("d")  # aperture, time, aperture, ...

    def add(self, frame: FaceFrame) -> None:
        aperture = math.nan if frame.landmarks is None else relative_aperture(frame.landmarks)
        self._frames.extend((aperture, frame.pts))

    @property
    def _apertures(self) -> np.ndarray:
        """(N,) in interocular distances, NaN without a face."""
        return np.frombuffer(self._frames)[::2]

    @property
    def _pts(self) -> np.ndarray:
        """(N,) in seconds."""
        return np.frombuffer(self._frames)[1::2]

    def share_matched_by(self, other: "_Track", delay: int) -> float:
        """The share of closures at which the lips of `other`, which is `delay` frames late, are closed too."""
        matched = []
        for start, stop in closures(self._apertures, self._pts):
            if not np.isnan(other._between(start + delay, stop + delay)).all():
                near = other._between(start + delay - NEIGHBOURS, stop + delay + NEIGHBOURS)
                matched.append((near < CLOSED).any())
        return float(np.mean(matched)) if matched else math.nan

    def _between(self, start: int, stop: int) -> np.ndarray:
        """The apertures of the frames from `start` to before `stop`, as far as there are such frames."""
        return self._apertures[max(0, start) : max(0, stop)]


def closures(apertures: np.ndarray, pts: np.ndarray) -> Iterator[tuple[int, int]]:
    """The first frame of every closure, and the one after its last.

    apertures: (N,) in interocular distances, NaN without a face. pts: times (N,) of the frames in seconds. A frame
    lasts until the next one; the last lasts as long as the median one.
    """
    is_closed = np.pad(apertures < CLOSED, 1)
    changes = np.flatnonzero(is_closed[1:] != is_closed[:-1])  # starts and ends take turns
    last_frame = np.median(np.diff(pts)) if len(pts) > 1 else 0.0
    times = np.append(pts, pts[-1] + last_frame)
    for start, stop in changes.reshape(-1, 2):
        if times[stop] - times[start] <= MAX_SECONDS + ROUNDING:
            yield int(start), int(stop)
