"""One speaker through a video: a face is chosen in each shot, followed, and found again by position and size."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.tracking.matching import MAX_STEP, MIN_FRAMES, is_same_face, nearest_match
from dd_tools.face.tracking.shots import ShotFrame

THOROUGH_INTERVAL = 10  # frames between thorough searches while the face is missing

# Chooses a face: (faces float32 (N,68,2) with N > 0, frame size (height, width)) -> index, or None for no face.
Chooser = Callable[[np.ndarray, tuple[int, int]], int | None]


def track_speaker(frames: Iterable[ShotFrame], detector: Detector, choose: Chooser) -> Iterator[np.ndarray | None]:
    """Yield the speaker's landmarks in each frame: float32 (68,2), or None where that face is not detected.

    In each shot, `choose` picks the speaker in the first frame with a face. If that face is lost before it was detected
    in `MIN_FRAMES` frames, `choose` picks again. Later, a lost speaker is found again as the nearest face of similar
    size; another face is not taken in that shot.
    """
    last, hits, misses, current_shot = None, 0, 0, None
    for frame, shot in frames:
        if shot != current_shot:
            last, hits, misses, current_shot = None, 0, 0, shot
        face = None if last is None or misses else detector.follow(frame, last)
        if face is None or not is_same_face(face, last, MAX_STEP):
            faces = detector.detect(frame, thorough=misses % THOROUGH_INTERVAL == 0)
            face = _chosen(faces, frame, choose) if last is None else nearest_match(faces, last)
        if face is not None:
            last, hits, misses = face, hits + 1, 0
        elif hits < MIN_FRAMES:
            last, hits, misses = None, 0, misses + 1
        else:
            misses += 1
        yield face


def _chosen(faces: np.ndarray, frame: np.ndarray, choose: Chooser) -> np.ndarray | None:
    index = choose(faces, frame.shape[:2]) if len(faces) else None
    return None if index is None else faces[index]
