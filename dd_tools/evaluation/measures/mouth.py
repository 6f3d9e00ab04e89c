"""What measures of the mouth's appearance share: the mouth of one frame, and the comparison at similar lip apertures.

Colours and edges of a mouth change with how far it is open, and a generated mouth need not be open when the truth's is.
Therefore each generated mouth is compared with the true mouths of the clip that are open as far, whenever they occur.
Each video is measured by its own landmarks in its own lower face; a registered video as it was before registration,
because resampling blurs it.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from skimage.draw import polygon2mask

from dd_tools.evaluation.frames import MARGIN, SIZE, FaceFrame, FramePair
from dd_tools.evaluation.measures.interface import Label, Measure
from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import lip_aperture

MATCHES = 5  # true mouths with which each generated one is compared, fewer in shorter clips
MATCH_SETTINGS = f"own-lower-face-margin-{MARGIN},{MATCHES}-true-frames-of-nearest-aperture"


def relative_aperture(landmarks: np.ndarray) -> float:
    """Lip aperture of a face (68,2), in interocular distances of the same face; see `lip_aperture` and `scale_of`."""
    return float(lip_aperture(landmarks) / scale_of(fit_poses(landmarks[None]))[0])


class Mouth:
    """The mouth of a frame that has a lower face (see `FaceFrame.lower_face`)."""

    def __init__(self, frame: FaceFrame):
        self._frame = frame

    @cached_property
    def aperture(self) -> float:
        """See `relative_aperture`."""
        return relative_aperture(self._frame.landmarks)

    @property
    def pixels(self) -> np.ndarray:
        """The lower face, uint8 (256,256,3) RGB."""
        return self._frame.lower_face_pixels

    def inside(self, outline: slice) -> np.ndarray:
        """The `pixels` whose centres lie within the polygon of the landmarks `outline`, bool (256,256)."""
        return polygon2mask((SIZE, SIZE), self.outline(outline)[:, ::-1])

    def outline(self, part: slice) -> np.ndarray:
        """The landmarks (N,2) of a part of the face in `pixels`."""
        return self._frame.landmarks_in(self._frame.lower_face)[part]


class MatchedMouths(Measure):
    """Compares each generated mouth with the `MATCHES` true mouths of the clip with the most similar lip aperture.

    value_of: D numbers (D,) that describe a mouth, None for a mouth that cannot be measured. compare: the value of the
    clip, from the numbers (N,D) of its N generated mouths and, for each, the mean (N,D) of its true matches. NaN if
    either video has no mouth that can be measured.
    """

    def __init__(
        self,
        label: Label,
        value_of: Callable[[Mouth], Sequence[float] | None],
        compare: Callable[[np.ndarray, np.ndarray], float],
    ):
        self.labels = (label,)
        self._value_of, self._compare = value_of, compare
        self._truth: list[tuple[float, ...]] = []  # aperture and numbers of each mouth
        self._generated: list[tuple[float, ...]] = []

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        for kept, face in ((self._truth, frame.truth), (self._generated, frame.generated.original or frame.generated)):
            if face.lower_face is None:
                continue
            mouth = Mouth(face)
            values = self._value_of(mouth)
            if values is not None:
                kept.append((mouth.aperture, *values))

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if not self._truth or not self._generated:
            return (math.nan,)
        truth, generated = np.array(self._truth), np.array(self._generated)
        matches = truth[most_similar(truth[:, 0], generated[:, 0]), 1:].mean(1)
        return (self._compare(generated[:, 1:], matches),)


def most_similar(candidates: np.ndarray, values: np.ndarray, count: int = MATCHES) -> np.ndarray:
    """For each of the values (N,), the indices (N,K) of the K most similar candidates (M,), where K = min(count, M).

    In sorted order they are neighbours. Moving on by one replaces the lowest by the next higher one, which is nearer to
    values above their midpoint.
    """
    order = np.argsort(candidates, kind="stable")
    ranked, count = candidates[order], min(count, len(candidates))
    midpoints = (ranked[: len(ranked) - count] + ranked[count:]) / 2
    first = np.searchsorted(midpoints, values)
    return order[first[:, None] + np.arange(count)]
