"""Soft dynamic time warping (soft-DTW, Cuturi and Blondel, arXiv 1703.01541) within a band.

A path matches the frames of two sequences from both first to both last frames, in steps that go on by one frame in
either or in both. Soft-DTW makes a path less probable by exp(−s / γ), where s is the sum of its distances; its value
is −γ times the logarithm of the sum of this over all paths, a smooth minimum of s. The means over the paths are
computed here in the same pass as this value, so that memory does not grow with the square of the length.
"""

from collections.abc import Callable

import numpy as np

_UNREACHABLE = 1e12  # a finite distance, so that differences are always defined


def band(
    one: np.ndarray, other: np.ndarray, radius: int, distance: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """The distances of frames i and j of two sequences (T,...) that are at most `radius` apart, (2T−1, 2·radius+1).

    Rows are i + j, columns j − i + radius; half of the cells belong to no pair. distance: from frames (K,...) and
    (K,...) to (K,).
    """
    count = len(one)
    cells = np.full((2 * count - 1, 2 * radius + 1), _UNREACHABLE)
    for offset in range(-min(radius, count - 1), min(radius, count - 1) + 1):
        length, later = count - abs(offset), max(0, offset)
        earlier = later - offset
        found = distance(one[earlier : earlier + length], other[later : later + length])
        cells[abs(offset) : abs(offset) + 2 * length - 1 : 2, offset + radius] = found
    return cells


def warped_mean(cells: np.ndarray, gamma: float) -> float:
    """The mean distance of matched frames: the expected sum of distances on a path, divided by its expected length.

    cells: as from `band`. gamma: γ, in the unit of the distances; towards 0 only the best path counts.
    """
    radius = cells.shape[1] // 2
    before, older = _nowhere(radius), _nowhere(radius)
    older[0, 1 + radius] = 0  # the start of all paths, one step before both first frames
    for distances in cells:
        before, older = _step(distances, before, older, gamma), before
    _, total, length = before[:, 1 + radius]
    return float(total / length)


def _nowhere(radius: int) -> np.ndarray:
    """Value of soft-DTW, expected sum and expected length (3, 2·radius+3) in a row of the band that no path reaches.

    There is one more column on either side of the band.
    """
    state = np.zeros((3, 2 * radius + 3))
    state[0] = _UNREACHABLE
    return state


def _step(distances: np.ndarray, before: np.ndarray, older: np.ndarray, gamma: float) -> np.ndarray:
    """The state of the row with these `distances`, from the state of the row before it and of the one before that."""
    states = np.stack([before[:, :-2], before[:, 2:], older[:, 1:-1]])
    lowest = states[:, 0].min(0)
    weights = np.exp((lowest - states[:, 0]) / gamma)
    sums = weights.sum(0)
    state = _nowhere(len(distances) // 2)
    _, total, length = (weights[:, None] / sums * states).sum(0)
    state[:, 1:-1] = distances + lowest - gamma * np.log(sums), distances + total, 1 + length
    return state
