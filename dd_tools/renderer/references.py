"""Which frames of a clip a renderer of several references is shown beside the one it paints: those in which the head is
held, the mouth shaped and the light most alike, so that there is little to bend and the very teeth to see.
"""

import cv2
import numpy as np

from dd_tools.face.geometry import TRUNCATE, gaussian_average
from dd_tools.face.landmarks import MOUTH, MOUTH_REGION
from dd_tools.formats.arrays import evenly_spaced
from dd_tools.formats.clip import Clip
from dd_tools.renderer.inputs import across
from dd_tools.renderer.timing import Timeline

CANDIDATES = 250  # frames of a clip that may be references
APART = 1.0  # seconds in the clip from the frame that is painted: what its mouth really did must not show through
DIFFERENT = 0.3  # seconds in the clip between the references of one frame
STEADY = 0.08  # seconds, standard deviation: likeness is averaged over so long, or references would change all the time

NOSE_AND_EYES = range(27, 48)  # which speech moves little
LIPS = MOUTH.stop - MOUTH.start  # points
SHAPE = 2.0  # how much more the shape of the lips counts than where they are
UPPER = 0.4  # of the crop: steady masks do not reach there
AFAR = 6, 3  # pixels, width and height, as which it is seen when its light is compared
NOT_THIS = 10.0  # more unlike than any two faces are


class References:
    """The `frames` (N,) of a clip that may be references, as `images` (N, S, S, 3), and which of them suit. Of a single
    reference it is the first usable frame.
    """

    def __init__(self, clip: Clip, count: int):
        self.clip, self.count = clip, count
        self.frames = clip.usable[:1] if count == 1 else evenly_spaced(clip.usable, CANDIDATES)
        self.images = np.stack([clip.frames[frame] for frame in self.frames])
        self.places, self.lights = places(clip.landmarks, clip.size), lights(self.images)

    @staticmethod
    def around(when: Timeline, part: slice) -> slice:
        """The output frames that have a say in what suits those of `part`."""
        reach = TRUNCATE * STEADY
        first = np.searchsorted(when.pts, when.pts[part.start] - reach)
        return slice(int(first), int(np.searchsorted(when.pts, when.pts[part.stop - 1] + reach, "right")))

    def suiting(self, when: Timeline, mouths: np.ndarray | None) -> np.ndarray:
        """The indices (T, count) of the most alike to each output frame of `when`, in which `MOUTH_REGION` is to lie at
        `mouths` (T, 25, 2), -1 to 1 across the crop, if that is known.
        """
        if len(self.frames) == 1:
            return np.zeros((len(when), self.count), int)
        wanted = self.places[when.frames, : len(NOSE_AND_EYES)]
        if mouths is not None:
            wanted = with_shape(np.concatenate([wanted, mouths], axis=1))
        lit = lights(np.stack([self.clip.frames[frame] for frame in when.frames]))
        unlike = unlikeness(wanted, self.places[self.frames]) + otherwise_lit(lit, self.lights)
        times = self.clip.pts[when.frames], self.clip.pts[self.frames]
        return most_alike(steadied(unlike, when.pts, when.share > 0), *times, self.count)


def places(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Where `NOSE_AND_EYES` and `MOUTH_REGION` of landmarks (N, 68, 2) lie in crops of side `size`, -1 to 1, and then
    the `with_shape` of the lips: (N, 66, 2).
    """
    return with_shape(across(landmarks[:, [*NOSE_AND_EYES, *MOUTH_REGION]], size))


def with_shape(points: np.ndarray) -> np.ndarray:
    """Points (N, 46, 2) and then those of the lips (N, 20, 2), of which they end, about their mean."""
    lips = points[:, -LIPS:]
    return np.concatenate([points, lips - lips.mean(1, keepdims=True)], axis=1)


def unlikeness(wanted: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How far `places` seen (N, 66, 2) are from those wanted, (T, N): the mean distance of the head's points plus,
    where they are known, that of the mouth's and `SHAPE` times that of the lips' about their mean, so that none is open
    that is to be shut. wanted: (T, 66, 2), or (T, 21, 2) of the heads alone.
    """
    distance = np.linalg.norm(wanted[:, None] - seen[:, : wanted.shape[1]], axis=-1)
    parts = np.split(distance, [len(NOSE_AND_EYES), len(NOSE_AND_EYES) + len(MOUTH_REGION)], axis=-1)
    return sum(weight * part.mean(-1) for weight, part in zip((1, 1, SHAPE), parts, strict=True) if part.size)


def lights(crops: np.ndarray) -> np.ndarray:
    """How light falls on the `UPPER` part of crops uint8 (N, S, S, 3): (N, 54), 0 to 2."""
    upper = crops[:, : round(UPPER * crops.shape[1])]
    return np.stack([cv2.resize(crop, AFAR, interpolation=cv2.INTER_AREA).ravel() for crop in upper]) / 127.5


def otherwise_lit(wanted: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Mean difference of `lights` (T, 54) and (N, 54): (T, N)."""
    return np.abs(wanted[:, None] - seen).mean(-1)


def steadied(unlike: np.ndarray, pts: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Unlikeness (T, N) averaged over the times pts (T,) around; frames that are not `painted` (T,) count as equally
    unlike all.
    """
    return gaussian_average(np.where(painted[:, None], unlike, 0), pts, STEADY)


def most_alike(unlike: np.ndarray, times: np.ndarray, seen: np.ndarray, count: int) -> np.ndarray:
    """Indices (T, count) of candidates from the least unlike on, of (T, N); times (T,) and seen (N,): of the frames
    painted and of the candidates in the clip, in seconds. Where a clip is too short for `APART` and `DIFFERENT`, as far
    apart as can be.
    """
    unlike = unlike + NOT_THIS * _nearness(times[:, None] - seen, APART)
    chosen = []
    for _ in range(count):
        chosen.append(unlike.argmin(1))
        unlike = unlike + NOT_THIS * _nearness(seen[chosen[-1]][:, None] - seen, DIFFERENT)
    return np.stack(chosen, axis=1)


def _nearness(seconds: np.ndarray, reach: float) -> np.ndarray:
    """0 from `reach` on; within it 1 to 2, the nearer the more."""
    share = np.abs(seconds) / reach
    return np.where(share < 1 - 1e-9, 2 - share, 0)
