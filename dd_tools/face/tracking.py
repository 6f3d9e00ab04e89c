"""One speaker's landmarks through a video: the face chosen at first sight, followed, and found again by its place."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from dd_tools.face.landmarks import Detector

PATIENCE = 10  # frames between two thorough searches while there is no face
REACH = 1.0  # a face found again this many face sizes from its last place is the same person's

Chooser = Callable[[np.ndarray, tuple[int, int]], int]


def most_prominent(faces: np.ndarray, picture: tuple[int, int]) -> int:
    """Index of the face (N,68,2) that is largest and most central in a picture of (height, width)."""
    height, width = picture
    sizes = np.ptp(faces, axis=1).max(-1)
    from_centre = np.linalg.norm((faces.mean(1) + 0.5) / (width, height) - 0.5, axis=-1)
    return int(np.argmax(sizes * (1 - from_centre)))


def track(images: Iterable[np.ndarray], detector: Detector, choose: Chooser = most_prominent) -> Iterator[np.ndarray | None]:
    """For each RGB image the chosen speaker's landmarks float32 (68,2), or None where that face is not to be seen.

    After a miss the face is the one nearest to its last place, if near enough for its size; nobody else's ever.
    """
    last, misses = None, 0
    for image in images:
        face = detector.follow(image, last) if last is not None and misses == 0 else None
        if face is not None and not _is_near(face, last):
            face = None
        if face is None:
            face = _find(image, detector, last, choose, thorough=misses % PATIENCE == 0)
        misses = 0 if face is not None else misses + 1
        last = last if face is None else face
        yield face


def _find(image: np.ndarray, detector: Detector, last: np.ndarray | None, choose: Chooser, thorough: bool):
    faces = detector.detect(image, thorough=thorough)
    if not len(faces):
        return None
    if last is None:
        return faces[choose(faces, image.shape[:2])]
    nearest = faces[np.argmin(np.linalg.norm(faces.mean(1) - last.mean(0), axis=-1))]
    return nearest if _is_near(nearest, last) else None


def _is_near(face: np.ndarray, last: np.ndarray) -> bool:
    return bool(np.hypot(*(face.mean(0) - last.mean(0))) < REACH * np.ptp(last, axis=0).max())
