"""One speaker through a video: a face chosen at first sight in each shot, followed, and found again by its place."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from dd_tools.face.landmarks import Detector, extent

PATIENCE = 10  # frames between two thorough searches while there is no face
TRUST = 5  # a face seen in fewer frames than these was none, or nobody of note: the choice is made anew
STRIDE = 0.5  # a face moves less than this share of its size from one frame to the next
REACH = 1.0  # a face found again within this many sizes of its last place is the same person's
GROWTH = 2.0  # … if it is less than this many times larger or smaller

# Picks a face: (faces float32 (N,68,2), N > 0, (height, width) of the picture) to an index, or None for none of them.
Chooser = Callable[[np.ndarray, tuple[int, int]], int | None]


def track(scenes: Iterable[tuple[np.ndarray, int]], detector: Detector, choose: Chooser) -> Iterator[np.ndarray | None]:
    """For each RGB image and the number of its shot the chosen speaker's landmarks float32 (68,2), or None where that
    face is not to be seen.

    The choice falls in the first image of a shot with a face that stays. After a miss the speaker is the face nearest
    to the last place, if it is near enough and of about that size; nobody else in that shot.
    """
    last, seen, misses, current = None, 0, 0, None
    for image, shot in scenes:
        if shot != current:
            last, seen, misses, current = None, 0, 0, shot
        face = None if last is None or misses else detector.follow(image, last)
        if face is None or not is_same(face, last, STRIDE):
            faces = detector.detect(image, thorough=misses % PATIENCE == 0)
            face = _first(faces, image, choose) if last is None else nearest_again(faces, last)
        if face is not None:
            last, seen, misses = face, seen + 1, 0
        elif seen < TRUST:
            last, seen, misses = None, 0, misses + 1
        else:
            misses += 1
        yield face


def _first(faces: np.ndarray, image: np.ndarray, choose: Chooser) -> np.ndarray | None:
    chosen = choose(faces, image.shape[:2]) if len(faces) else None
    return None if chosen is None else faces[chosen]


def nearest_again(faces: np.ndarray, last: np.ndarray) -> np.ndarray | None:
    """Of `faces` (N,68,2) the one last seen at `last` (68,2), or None."""
    same = [face for face in faces if is_same(face, last, REACH)]
    return min(same, key=lambda face: distance(face, last), default=None)


def is_same(face: np.ndarray, last: np.ndarray, reach: float) -> bool:
    """Whether `face` can be the one seen at `last`, by place and size."""
    growth = extent(face) / extent(last)
    return distance(face, last) < reach * extent(last) and 1 / GROWTH < growth < GROWTH


def distance(face: np.ndarray, last: np.ndarray) -> float:
    """Pixels from one face's middle to the other's."""
    return float(np.hypot(*(face.mean(0) - last.mean(0))))
