"""Choice of the reference frames for every painted frame.

The references are those frames of the clip in which the pose of the head, the shape of the mouth and the lighting are
most similar, so that little has to be warped and the speaker's own teeth are seen. If the clip is long enough, none is
from within a second of the painted frame: what the mouth really said there must not show through.
"""

import cv2
import numpy as np

from dd_tools.face.geometry import TRUNCATE, gaussian_average
from dd_tools.face.landmarks import MOUTH, MOUTH_REGION
from dd_tools.formats.arrays import evenly_spaced
from dd_tools.formats.clip import Clip
from dd_tools.warp.latents import relative_to_crop

MAX_CANDIDATES = 250  # frames of a clip that may become references
MIN_GAP = 1.0  # seconds in the clip between a painted frame and its references
MIN_SPACING = 0.3  # seconds in the clip between the references of one frame
SMOOTHING = 0.08  # seconds, standard deviation of the Gaussian over distances; else references change all the time

HEAD_POINTS = range(27, 48)  # nose and eyes, which speech moves little
LIP_POINTS = MOUTH.stop - MOUTH.start
LIP_SHAPE_WEIGHT = 2.0  # of the shape of the lips, against 1 of the positions of head and mouth
UPPER_SHARE = 0.4  # of the crop, where lighting is compared: steady masks do not reach there
LIGHT_GRID = 6, 3  # cells, width and height, of which lighting is the mean colour
EXCLUDED = 10.0  # added to the distance of a candidate that is too near in time: more than any real distance


class References:
    """The candidate frames of a clip, and the choice among them.

    frames (N,): indices of the candidates; images uint8 (N, S, S, 3): their crops. For a single reference per frame
    the only candidate is the first usable frame.
    """

    def __init__(self, clip: Clip, count: int):
        self.clip, self.count = clip, count
        self.frames = clip.usable[:1] if count == 1 else evenly_spaced(clip.usable, MAX_CANDIDATES)
        self.images = np.stack([clip.frames[frame] for frame in self.frames])
        self.points, self.light = comparison_points(clip.landmarks, clip.size), lighting(self.images)

    @staticmethod
    def context(pts: np.ndarray, span: slice) -> slice:
        """The output frames, at times `pts` (T,) seconds, that influence the choice for those of `span`."""
        reach = TRUNCATE * SMOOTHING
        first = np.searchsorted(pts, pts[span.start] - reach)
        return slice(int(first), int(np.searchsorted(pts, pts[span.stop - 1] + reach, "right")))

    def choose(self, frames: np.ndarray, pts: np.ndarray, mouths: np.ndarray) -> np.ndarray:
        """Indices (T, count) into the candidates, the most similar first.

        frames (T,), pts (T,): the clip's frame behind each output frame, and its time in the output in seconds. mouths
        (T, 25, 2): where its `MOUTH_REGION` is to be painted, from −1 to 1 across the crop.
        """
        if len(self.frames) == 1:
            return np.zeros((len(frames), self.count), int)
        target = with_lip_shape(np.concatenate([self.points[frames, : len(HEAD_POINTS)], mouths], axis=1))
        light = lighting(np.stack([self.clip.frames[frame] for frame in frames]))
        distance = point_distance(target, self.points[self.frames]) + light_distance(light, self.light)
        distance = gaussian_average(distance, pts, SMOOTHING)
        return nearest(distance, self.clip.pts[frames], self.clip.pts[self.frames], self.count)


def comparison_points(landmarks: np.ndarray, size: int) -> np.ndarray:
    """What poses and mouths are compared by: (N, 66, 2) for landmarks (N, 68, 2) in crops of side `size`.

    `HEAD_POINTS` and `MOUTH_REGION` from −1 to 1 across the crop, then the shape of the lips.
    """
    return with_lip_shape(relative_to_crop(landmarks[:, [*HEAD_POINTS, *MOUTH_REGION]], size))


def with_lip_shape(points: np.ndarray) -> np.ndarray:
    """Points (N, 46, 2), which end in the lips, followed by the lips (N, 20, 2) relative to their mean."""
    lips = points[:, -LIP_POINTS:]
    return np.concatenate([points, lips - lips.mean(1, keepdims=True)], axis=1)


def point_distance(target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Distance (T, N) of target points (T, 66, 2) and candidates' (N, 66, 2).

    The sum of mean point distances of head, mouth and, weighted by `LIP_SHAPE_WEIGHT`, lip shape. The shape counts
    most, so that no open mouth serves as reference for a closed one.
    """
    distance = np.linalg.norm(target[:, None] - candidates, axis=-1)
    head, mouth, shape = np.split(distance, [len(HEAD_POINTS), len(HEAD_POINTS) + len(MOUTH_REGION)], axis=-1)
    return head.mean(-1) + mouth.mean(-1) + LIP_SHAPE_WEIGHT * shape.mean(-1)


def lighting(crops: np.ndarray) -> np.ndarray:
    """Mean colours of the cells of `LIGHT_GRID` in the upper part of crops uint8 (N, S, S, 3): (N, 54), 0 to 2."""
    upper = crops[:, : round(UPPER_SHARE * crops.shape[1])]
    return np.stack([cv2.resize(crop, LIGHT_GRID, interpolation=cv2.INTER_AREA).ravel() for crop in upper]) / 127.5


def light_distance(target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Mean absolute difference (T, N) of `lighting` (T, 54) and (N, 54)."""
    return np.abs(target[:, None] - candidates).mean(-1)


def nearest(distance: np.ndarray, times: np.ndarray, candidate_times: np.ndarray, count: int) -> np.ndarray:
    """Indices (T, count) of the candidates of least distance (T, N), kept apart in time.

    times (T,), candidate_times (N,): of painted frames and candidates in the clip, in seconds. In a clip too short for
    `MIN_GAP` and `MIN_SPACING`, the candidates farthest away in time are preferred.
    """
    distance = distance + EXCLUDED * _nearness(times[:, None] - candidate_times, MIN_GAP)
    chosen = []
    for _ in range(count):
        chosen.append(distance.argmin(1))
        distance = distance + EXCLUDED * _nearness(candidate_times[chosen[-1]][:, None] - candidate_times, MIN_SPACING)
    return np.stack(chosen, axis=1)


def _nearness(seconds: np.ndarray, limit: float) -> np.ndarray:
    """0 for time differences of at least `limit`, else 1 to 2, more the smaller they are."""
    share = np.abs(seconds) / limit
    return np.where(share < 1 - 1e-9, 2 - share, 0)
