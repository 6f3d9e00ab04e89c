"""Choice of the references of a training sample: as in painting, or a single frame, as when a portrait is dubbed.

A renderer that always sees references whose mouth is nearly the wanted one makes only half of the motion when there is
a single reference.
"""

import numpy as np
import torch

from dd_tools.training.chance import draw_weighted, happens
from dd_tools.training.clips import draw_from
from dd_tools.warp.lip_maps import LIP_POINTS
from dd_tools.warp.references import MIN_GAP, nearest, point_distance

SINGLE_PROBABILITY = 0.5  # that all references of a sample are the same frame
FAR_PROBABILITY = 0.7  # that this frame is drawn by how different its mouth is; otherwise, all are equally likely
FAR_POWER = 2.0  # a frame whose lips differ twice as much is drawn 2 ** FAR_POWER times as often


def draw_references(
    points: np.ndarray, pts: np.ndarray, target: int, count: int, generator: torch.Generator
) -> np.ndarray:
    """The references (K,) of frame number `target`, as numbers of frames.

    points (N, 66, 2), pts (N,): `comparison_points` and times of the frames. count: K. Frames that are less than
    `MIN_GAP` away are only drawn if the clip has no others. Lighting is not compared, as it hardly varies within the
    training clips.
    """
    distant = np.flatnonzero(np.abs(pts - pts[target]) >= MIN_GAP)
    others = distant if len(distant) else np.arange(len(pts))
    if happens(SINGLE_PROBABILITY, generator):
        return np.full(count, _draw_single(points, target, others, generator))
    return _draw_similar(points, pts, target, others, count, generator)


def _draw_single(points: np.ndarray, target: int, others: np.ndarray, generator: torch.Generator) -> int:
    """One of the frames `others`, more often one whose lips have another shape than those of the target."""
    if happens(FAR_PROBABILITY, generator):
        weights = lip_shape_distance(points[target], points)[others] ** FAR_POWER
        if weights.any():
            return int(others[draw_weighted(torch.from_numpy(weights), generator)])
    return int(draw_from(others, generator))


def _draw_similar(
    points: np.ndarray, pts: np.ndarray, target: int, others: np.ndarray, count: int, generator: torch.Generator
) -> np.ndarray:
    """References as in painting, but from a few random frames: one, as for a portrait, or K or more."""
    size = draw_from((1, count, 4 * count, 16 * count), generator)
    drawn = others[torch.randint(len(others), (size,), generator=generator).numpy()]
    distance = point_distance(points[[target]], points[drawn])
    (chosen,) = nearest(distance, pts[[target]], pts[drawn], count)
    return drawn[chosen]


def lip_shape_distance(target: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Mean distances (N,) of the lip points, relative to their mean, of `comparison_points` (66, 2) and (N, 66, 2)."""
    difference = candidates[:, -LIP_POINTS:] - target[-LIP_POINTS:]
    return np.sqrt(np.einsum("nlc,nlc->nl", difference, difference)).mean(-1)  # ten times as fast as np.linalg.norm
