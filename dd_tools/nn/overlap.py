"""Long sequences in overlapping windows that are cross-faded."""

from collections.abc import Callable, Iterable

import numpy as np

# Wraps the starts of windows, to show progress.
Progress = Callable[[range], Iterable[int]]


def window_starts(length: int, window: int) -> range:
    """Where windows begin, each but the first inside the previous one; the last is longer than the overlap."""
    overlap = window_overlap(window)
    return range(0, max(length - overlap, 1), window - overlap)


def window_overlap(window: int) -> int:
    """Positions that neighbouring windows share: a fifth of the window."""
    return window // 5


def crossfade_weights(length: int, overlap: int, *, fade_in: bool, fade_out: bool) -> np.ndarray:
    """Weights float32 (length,) of one window, linear where it overlaps a neighbour; those of both sum to 1."""
    weights = np.ones(length, np.float32)
    ramp = ((np.arange(overlap) + 0.5) / overlap).astype(np.float32)
    if fade_in:
        weights[:overlap] = ramp
    if fade_out:
        weights[length - overlap :] = 1 - ramp
    return weights


def in_windows(
    compute: Callable[[int, int], np.ndarray],
    length: int,
    window: int,
    progress: Progress = iter,
) -> np.ndarray:
    """The cross-faded sum (length, C) of ``compute(start, stop)`` (stop − start, C) over overlapping windows."""
    total = None
    for start in progress(window_starts(length, window)):
        stop = min(start + window, length)
        weights = crossfade_weights(stop - start, window_overlap(window), fade_in=start > 0, fade_out=stop < length)
        part = weights[:, None] * compute(start, stop)
        if total is None:
            total = np.zeros((length, part.shape[1]), np.float32)
        total[start:stop] += part
    return total
