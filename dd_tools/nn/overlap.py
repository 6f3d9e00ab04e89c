"""Long sequences, computed in overlapping windows that are cross-faded."""

from collections.abc import Callable

import numpy as np

from dd_tools.reporting import Progress


def window_starts(length: int, window: int) -> range:
    """Starts of the windows over `length` positions.

    Neighbours overlap by `window_overlap`. The last window is longer than that, unless it is the only one.
    """
    overlap = window_overlap(window)
    return range(0, max(length - overlap, 1), window - overlap)


def window_overlap(window: int) -> int:
    """Positions that neighbouring windows share: a fifth of the window."""
    return window // 5


def crossfade_weights(length: int, overlap: int, *, fade_in: bool, fade_out: bool) -> np.ndarray:
    """Weights float32 (length,) of one window. They are linear in an overlap, where those of both windows sum to 1."""
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
    """A sequence float32 (length, C), cross-faded from windows.

    compute: returns positions start to stop, (stop − start, C). window: positions in one window.
    """
    total = None
    for start in progress(window_starts(length, window)):
        stop = min(start + window, length)
        weights = crossfade_weights(stop - start, window_overlap(window), fade_in=start > 0, fade_out=stop < length)
        part = weights[:, None] * compute(start, stop)
        if total is None:
            total = np.zeros((length, part.shape[1]), np.float32)
        total[start:stop] += part
    return total
