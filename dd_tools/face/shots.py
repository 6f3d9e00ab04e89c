"""Where one shot ends and the next begins: hard cuts, found by how much the picture changes from frame to frame.

Pictures are compared as coarse mosaics, which camera shake and grain hardly touch, and a cut is a change that stands
alone: a flash and a camera's swing change several frames. The limits were measured on 5400 frames of talking heads
without a cut, some with an unsteady camera, where no change that stands alone is above 7.9, and on 11100 cuts made
between those clips, of which one is missed (a speaker twice in the same studio; two speakers there: at least 10).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

import numpy as np

MOSAIC, SAMPLES = 16, 4  # tiles a side, samples a tile and side
LEAST_CHANGE = 9.0  # grey levels, mean over the mosaic: less is no cut
SUDDENNESS = 3.0  # a cut changes so many times more than the next frame and than any of those just before …
MEMORY = 8  # … of this many


def in_shots(images: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
    """Each image uint8 (H,W,3) with the number of its shot: 0, 1, … It reads one image ahead; a dissolve is no cut."""
    shot, recent = 0, deque(maxlen=MEMORY)
    for (image, change), (_, following) in pairwise(chain(_changes(images), [(None, 0.0)])):
        if change > max(LEAST_CHANGE, SUDDENNESS * max(following, *recent, 0.0)):
            shot += 1
        else:
            recent.append(change)
        yield image, shot


def _changes(images: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, float]]:
    """Each image with its mosaic's mean difference from the last one's, in grey levels."""
    last = None
    for image in images:
        mosaic = _mosaic(image)
        yield image, 0.0 if last is None else float(np.abs(mosaic - last).mean())
        last = mosaic


def _mosaic(image: np.ndarray) -> np.ndarray:
    """float32 (16,16,3): means of a few samples each."""
    count = MOSAIC * SAMPLES
    rows, columns = (((np.arange(count) + 0.5) * side / count).astype(int) for side in image.shape[:2])
    samples = image[rows[:, None], columns].astype(np.float32)
    return samples.reshape(MOSAIC, SAMPLES, MOSAIC, SAMPLES, 3).mean((1, 3))
