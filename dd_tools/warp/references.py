"""Choice of the reference frames for every painted frame.

The references are the frames of the clip with the most similar head pose, mouth shape and lighting, so that little has
to be warped and the speaker's own teeth are seen. If the clip is long enough, none is within a second of the painted
frame: what the mouth really said there must not show through. Frames of another shot in other light may show another
person, as the speaker is chosen anew in every shot: they are only taken if the shot has no candidate of its own.
"""

import cv2
import numpy as np

from dd_tools.face.geometry import TRUNCATE, gaussian_average
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.face.tracking.shots import shots_in_order
from dd_tools.formats.arrays import evenly_spaced
from dd_tools.formats.clip import Clip
from dd_tools.warp.alignment import HEAD_COUNT, alignment_points
from dd_tools.warp.lip_maps import LIP_POINTS

MAX_CANDIDATES = 250  # frames of a clip that may become references
MIN_GAP = 1.0  # seconds in the clip between a painted frame and its references
MIN_SPACING = 0.3  # seconds in the clip between the references of one frame
# Seconds, standard deviation of a Gaussian over the distances within a shot, so that references change less often.
SMOOTHING = 0.08

ALIGNED_POINTS = slice(HEAD_COUNT + len(MOUTH_REGION))  # of the `comparison_points`
MOUTH_POINTS = slice(HEAD_COUNT, ALIGNED_POINTS.stop)
LIP_SHAPE_WEIGHT = 2.0  # of the distance of lip shapes; that of head and mouth positions is 1
UPPER_SHARE = 0.4  # of the crop, in which lighting is compared; it lies above a steady mask
LIGHT_GRID = 6, 3  # cells across and down, whose mean colours are the lighting
TIME_PENALTY = 10.0  # smallest penalty on a candidate that is too near in time; above any distance
# Distance of lightings. Between two people's clips 98 in 100 are larger; within a clip four in five are smaller, nearly
# all if the camera stands still.
OTHER_LIGHT = 0.1
SCENE_PENALTY = 1000.0  # on a candidate of another shot in other light; above any penalty on time


class References:
    """The candidate frames of a clip, and the choice among them.

    count: references per painted frame; if it is 1, the only candidate is the first usable frame. frames (N,): indices
    of the candidates. images uint8 (N, S, S, 3): their crops.
    """

    def __init__(self, clip: Clip, count: int):
        self.clip, self.count = clip, count
        self.frames = clip.usable[:1] if count == 1 else evenly_spaced(clip.usable, MAX_CANDIDATES)
        self.images = np.stack([clip.frames[frame] for frame in self.frames])
        self.points, self.light = comparison_points(clip.landmarks, clip.size), lighting(self.images)

    @staticmethod
    def context(pts: np.ndarray, span: slice) -> slice:
        """The output frames that influence the choice for those in `span`. pts (T,): times in seconds, rising."""
        radius = TRUNCATE * SMOOTHING
        first = np.searchsorted(pts, pts[span.start] - radius)
        return slice(int(first), int(np.searchsorted(pts, pts[span.stop - 1] + radius, "right")))

    def with_mouths(self, frames: np.ndarray, mouths: np.ndarray) -> np.ndarray:
        """The `alignment_points` (T, 46, 2) of the clip's `frames` (T,) with other mouths.

        mouths (T, 25, 2): where to paint the `MOUTH_REGION`, from −1 to 1 across the crop.
        """
        return np.concatenate([self.points[frames, :HEAD_COUNT], mouths], axis=1)

    def choose(self, frames: np.ndarray, pts: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Indices (T, count) into the candidates, the most similar first.

        frames (T,): index of the clip's frame behind each output frame. pts (T,): times in the output, in seconds.
        points (T, 46, 2): `with_mouths`.
        """
        if len(self.frames) == 1:
            return np.zeros((len(frames), self.count), int)
        target = with_lip_shape(points)
        lights = light_distance(lighting(np.stack([self.clip.frames[frame] for frame in frames])), self.light)
        other_shot = self.clip.shot[frames][:, None] != self.clip.shot[self.frames]
        distance = point_distance(target, self.points[self.frames]) + lights
        distance += SCENE_PENALTY * (other_shot & (lights > OTHER_LIGHT))
        distance = gaussian_average(distance, pts, SMOOTHING, shots_in_order(frames, self.clip.shot))
        return nearest(distance, self.clip.pts[frames], self.clip.pts[self.frames], self.count)


def comparison_points(landmarks: np.ndarray, size: int) -> np.ndarray:
    """The points (N, 66, 2) by which poses and mouths are compared, from landmarks (N, 68, 2) in crops of side `size`.

    They are the `alignment_points` and the shape of the lips.
    """
    return with_lip_shape(alignment_points(landmarks, size))


def with_lip_shape(points: np.ndarray) -> np.ndarray:
    """Points (N, 46, 2), whose last 20 are the lips, then the lips relative to their mean: (N, 66, 2)."""
    lips = points[:, -LIP_POINTS:]
    return np.concatenate([points, lips - lips.mean(1, keepdims=True)], axis=1)


def point_distance(target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Distances (T, N) between `comparison_points` of targets (T, 66, 2) and of candidates (N, 66, 2).

    Each is the mean distance of the head's points, plus that of the mouth's, plus `LIP_SHAPE_WEIGHT` times that of the
    lip shape. The lip shape has most weight, so that no open mouth is the reference of a closed one.
    """
    # Each axis for itself: it takes a third of the time of a norm over pairs.
    right, down = (target[:, None, :, axis] - candidates[..., axis] for axis in (0, 1))
    distance = np.sqrt(np.square(right, out=right) + np.square(down, out=down))
    head, mouth, shape = np.split(distance, [MOUTH_POINTS.start, MOUTH_POINTS.stop], axis=-1)
    return head.mean(-1) + mouth.mean(-1) + LIP_SHAPE_WEIGHT * shape.mean(-1)


def lighting(crops: np.ndarray) -> np.ndarray:
    """Mean colours (N, 54), 0 to 2, of the cells of `LIGHT_GRID` in the upper part of crops uint8 (N, S, S, 3)."""
    upper = crops[:, : round(UPPER_SHARE * crops.shape[1])]
    return np.stack([cv2.resize(crop, LIGHT_GRID, interpolation=cv2.INTER_AREA).ravel() for crop in upper]) / 127.5


def light_distance(target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Mean absolute differences (T, N) between the `lighting` of targets (T, 54) and of candidates (N, 54)."""
    return np.abs(target[:, None] - candidates).mean(-1)


def nearest(distance: np.ndarray, times: np.ndarray, candidate_times: np.ndarray, count: int) -> np.ndarray:
    """Indices (T, count) of the candidates with the smallest distances (T, N), the smallest first.

    times (T,), candidate_times (N,): of painted frames and candidates in the clip, in seconds. Candidates are `MIN_GAP`
    away from the painted frame and `MIN_SPACING` from each other. If the clip is too short for that, those farthest
    away in time are preferred.
    """
    distance = distance + TIME_PENALTY * _nearness(times[:, None] - candidate_times, MIN_GAP)
    chosen = []
    for _ in range(count):
        chosen.append(distance.argmin(1))
        distance = distance + TIME_PENALTY * _nearness(
            candidate_times[chosen[-1]][:, None] - candidate_times, MIN_SPACING
        )
    return np.stack(chosen, axis=1)


def _nearness(seconds: np.ndarray, limit: float) -> np.ndarray:
    """0 for time differences of `limit` or more; below, from 1 up to 2 as they shrink to 0."""
    share = np.abs(seconds) / limit
    return np.where(share < 1 - 1e-9, 2 - share, 0)
