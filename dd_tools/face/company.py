"""Everybody in a video: each face is followed by the mesh, newcomers are looked for now and then and after cuts."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from dd_tools.face.landmarks import COUNT, Detector, extent
from dd_tools.face.tracking import REACH, STRIDE, TRUST, distance, is_same, nearest_again
from dd_tools.face.warping import resample, square_map

LOOKOUT, THOROUGH_LOOKOUT = 10, 50  # frames between two searches for newcomers; the thorough ones see small faces too
GIVE_UP = 50  # frames without a face after which its track has ended
PORTRAIT, PORTRAIT_SHARE = 160, 0.6  # pixels, side of a portrait; the share of it that the face takes
LARGER = 1.1  # a face so much larger than in its portrait gets a new one


@dataclass
class FaceTrack:
    """One face while it is followed, within one shot.

    frames: where in the video it was seen, rising. portrait: uint8 (160,160,3), where it was largest.
    """

    shot: int
    frames: array = field(default_factory=lambda: array("I"))
    portrait: np.ndarray | None = None
    _landmarks: array = field(default_factory=lambda: array("f"))  # grows without a copy of all that came before
    _portrayed: float = 0.0

    @property
    def landmarks(self) -> np.ndarray:
        """float32 (N,68,2), in pixels of the picture, for each of `frames`."""
        return np.frombuffer(self._landmarks, np.float32).reshape(-1, COUNT, 2)

    @property
    def last(self) -> np.ndarray:
        """The latest landmarks."""
        return np.array(self._landmarks[-2 * COUNT :], np.float32).reshape(COUNT, 2)

    def add(self, frame: int, image: np.ndarray, landmarks: np.ndarray) -> None:
        """Note a sighting."""
        self.frames.append(frame)
        self._landmarks.frombytes(landmarks.astype(np.float32).tobytes())
        size = float(extent(landmarks))
        if size > LARGER * self._portrayed:
            middle = (landmarks.min(0) + landmarks.max(0)) / 2
            square = square_map(middle, size / PORTRAIT_SHARE, np.eye(2), PORTRAIT)
            self.portrait, self._portrayed = resample(image, square, (PORTRAIT, PORTRAIT), cv2.INTER_LINEAR), size


def follow_everybody(scenes: Iterable[tuple[np.ndarray, int]], detector: Detector) -> list[FaceTrack]:
    """Tracks of all faces in RGB images, each given with the number of its shot; by first sight, then the larger first.

    A track survives up to `GIVE_UP` missed frames and ends with its shot; a face seen less than `TRUST` times in a
    longer shot was none.
    """
    company, everybody = None, []
    for frame, (image, shot) in enumerate(scenes):
        if company is None or company.shot != shot:
            everybody += company.lasting() if company else []
            company = _Company(detector, shot)
        company.look(frame, image)
    return everybody + (company.lasting() if company else [])


class _Company:
    """The faces in one shot, as its frames go by."""

    def __init__(self, detector: Detector, shot: int):
        self.shot = shot
        self._detector, self._age = detector, 0
        self._tracks: list[FaceTrack] = []

    def look(self, frame: int, image: np.ndarray) -> None:
        """Find everybody in the next image, the video's number `frame`."""
        present = [track for track in self._tracks if frame - track.frames[-1] <= GIVE_UP]
        found = [(track, self._seek(track, frame, image)) for track in present]
        for track, face in _without_rivals(found):
            track.add(frame, image, face)
        if self._age % LOOKOUT == 0:
            faces = self._detector.detect(image, thorough=self._age % THOROUGH_LOOKOUT == 0)
            known = [track.last for track in present]
            for face in faces:
                if not any(is_same(face, last, STRIDE) for last in known):
                    self._tracks.append(FaceTrack(self.shot))
                    self._tracks[-1].add(frame, image, face)
        self._age += 1

    def lasting(self) -> list[FaceTrack]:
        """The tracks of faces that were more than a flash."""
        return [track for track in self._tracks if len(track.frames) >= min(TRUST, self._age)]

    def _seek(self, track: FaceTrack, frame: int, image: np.ndarray) -> np.ndarray | None:
        last = track.last
        face = self._detector.follow(image, last) if track.frames[-1] == frame - 1 else None
        if face is not None and is_same(face, last, STRIDE):
            return face
        return nearest_again(_faces_near(last, image, self._detector), last)


def _faces_near(last: np.ndarray, image: np.ndarray, detector: Detector) -> np.ndarray:
    """Faces in the part of the picture within reach of `last`."""
    half = (REACH + 1) * extent(last)
    middle = last.mean(0)
    left, top = np.maximum(middle - half, 0).astype(int)
    right, bottom = np.maximum(middle + half, 0).astype(int) + 1
    part = image[top:bottom, left:right]
    return detector.detect(part, thorough=False) + np.float32([left, top]) if part.size else np.empty((0, COUNT, 2))


def _without_rivals(found: list[tuple[FaceTrack, np.ndarray | None]]) -> list[tuple[FaceTrack, np.ndarray]]:
    """Of tracks found at one and the same face only the one that had been nearest to it."""
    seen = sorted(
        ((t, face) for t, face in found if face is not None), key=lambda pair: distance(pair[1], pair[0].last)
    )
    kept: list[tuple[FaceTrack, np.ndarray]] = []
    for track, face in seen:
        if not any(is_same(face, other, STRIDE) for _, other in kept):
            kept.append((track, face))
    return kept
