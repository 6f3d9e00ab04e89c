"""All faces of a video, each followed as a track within one shot; new faces are searched for at intervals."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.affine import resample, square_map
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.landmarks import LANDMARK_COUNT, extent
from dd_tools.face.tracking.matching import (
    MAX_GAP_MOVE,
    MAX_STEP,
    MIN_FRAMES,
    centre_distance,
    is_same_face,
    nearest_match,
)
from dd_tools.face.tracking.shots import ShotFrame

SEARCH_INTERVAL, THOROUGH_INTERVAL = 10, 50  # frames between searches for new faces; thorough ones find small faces
MAX_MISSES = 50  # frames without a detection after which a track ends
PORTRAIT_SIZE, PORTRAIT_SHARE = 160, 0.6  # pixels, side of a portrait; the face's share of it
PORTRAIT_GROWTH = 1.1  # a face that becomes larger than in its portrait by this factor gets a new one


@dataclass
class FaceTrack:
    """One face, followed within one shot.

    shot: number of the shot.
    indices: numbers of the frames in which the face is detected, rising.
    portrait: uint8 (160,160,3) RGB, from the frame where the face is largest.
    """

    shot: int
    indices: array = field(default_factory=lambda: array("I"))
    portrait: np.ndarray | None = None
    _landmarks: array = field(default_factory=lambda: array("f"))  # unlike a NumPy array, it can be appended to
    _portrait_extent: float = 0.0

    @property
    def landmarks(self) -> np.ndarray:
        """float32 (N,68,2) in frame pixels, for each of `indices`."""
        return np.frombuffer(self._landmarks, np.float32).reshape(-1, LANDMARK_COUNT, 2)

    @property
    def latest(self) -> np.ndarray:
        """The latest landmarks, float32 (68,2)."""
        return np.array(self._landmarks[-2 * LANDMARK_COUNT :], np.float32).reshape(LANDMARK_COUNT, 2)

    def add(self, index: int, frame: np.ndarray, landmarks: np.ndarray) -> None:
        """Append the detection `landmarks` (68,2) in frame number `index`."""
        self.indices.append(index)
        self._landmarks.frombytes(landmarks.astype(np.float32).tobytes())
        size = float(extent(landmarks))
        if size > PORTRAIT_GROWTH * self._portrait_extent:
            centre = (landmarks.min(0) + landmarks.max(0)) / 2
            square = square_map(centre, size / PORTRAIT_SHARE, np.eye(2), PORTRAIT_SIZE)
            self.portrait = resample(frame, square, (PORTRAIT_SIZE, PORTRAIT_SIZE), cv2.INTER_LINEAR)
            self._portrait_extent = size


def track_all_faces(frames: Iterable[ShotFrame], detector: Detector) -> list[FaceTrack]:
    """Tracks of all faces, in the order of their first detection; within a frame, in the detector's order.

    A track continues over up to `MAX_MISSES` frames without a detection and ends with its shot. Faces detected less
    than `MIN_FRAMES` times are dropped, except in shorter shots.
    """
    tracker, tracks = None, []
    for index, (frame, shot) in enumerate(frames):
        if tracker is None or tracker.shot != shot:
            tracks += tracker.lasting_tracks() if tracker else []
            tracker = _ShotTracker(detector, shot)
        tracker.update(index, frame)
    return tracks + (tracker.lasting_tracks() if tracker else [])


class _ShotTracker:
    """Follows all faces of one shot, frame by frame."""

    def __init__(self, detector: Detector, shot: int):
        self.shot = shot
        self._detector, self._frame_count = detector, 0
        self._tracks: list[FaceTrack] = []

    def update(self, index: int, frame: np.ndarray) -> None:
        """Extend the tracks by the shot's next frame, number `index` of the video."""
        active = [track for track in self._tracks if index - track.indices[-1] <= MAX_MISSES]
        located = [(track, self._locate(track, index, frame)) for track in active]
        for track, face in _without_duplicates(located):
            track.add(index, frame, face)
        if self._frame_count % SEARCH_INTERVAL == 0:
            self._start_tracks(index, frame, [track.latest for track in active])
        self._frame_count += 1

    def lasting_tracks(self) -> list[FaceTrack]:
        """The tracks that are long enough not to be false detections."""
        return [track for track in self._tracks if len(track.indices) >= min(MIN_FRAMES, self._frame_count)]

    def _start_tracks(self, index: int, frame: np.ndarray, known: list[np.ndarray]) -> None:
        """Start a track for every detected face that is not one of `known`, landmarks (68,2)."""
        for face in self._detector.detect(frame, thorough=self._frame_count % THOROUGH_INTERVAL == 0):
            if not any(is_same_face(face, other, MAX_STEP) for other in known):
                self._tracks.append(FaceTrack(self.shot))
                self._tracks[-1].add(index, frame, face)

    def _locate(self, track: FaceTrack, index: int, frame: np.ndarray) -> np.ndarray | None:
        latest = track.latest
        face = self._detector.follow(frame, latest) if track.indices[-1] == index - 1 else None
        if face is not None and is_same_face(face, latest, MAX_STEP):
            return face
        return nearest_match(_detect_near(latest, frame, self._detector), latest)


def _detect_near(landmarks: np.ndarray, frame: np.ndarray, detector: Detector) -> np.ndarray:
    """Faces (N,68,2) in the part of the frame to which the face at `landmarks` can have moved."""
    half = (MAX_GAP_MOVE + 1) * extent(landmarks)
    centre = landmarks.mean(0)
    left, top = np.maximum(centre - half, 0).astype(int)
    right, bottom = np.maximum(centre + half, 0).astype(int) + 1
    part = frame[top:bottom, left:right]
    return (
        detector.detect(part, thorough=False) + np.float32([left, top])
        if part.size
        else np.empty((0, LANDMARK_COUNT, 2))
    )


def _without_duplicates(located: list[tuple[FaceTrack, np.ndarray | None]]) -> list[tuple[FaceTrack, np.ndarray]]:
    """If several tracks were located at the same face, keep only the one that was nearest to it."""
    found = [(track, face) for track, face in located if face is not None]
    kept: list[tuple[FaceTrack, np.ndarray]] = []
    for track, face in sorted(found, key=lambda pair: centre_distance(pair[1], pair[0].latest)):
        if not any(is_same_face(face, other, MAX_STEP) for _, other in kept):
            kept.append((track, face))
    return kept


def tracks_by_number(tracks: list[FaceTrack], numbers: Sequence[int], path: Path) -> list[FaceTrack]:
    """The tracks with these numbers. path: the video, for messages.

    Raises `DataError` if a number has no track or if two tracks have a frame in common.
    """
    unknown = [number for number in numbers if number >= len(tracks)]
    if unknown:
        existing = f"faces 0 to {len(tracks) - 1}" if len(tracks) > 1 else "only face 0"
        raise DataError(f"no face {unknown[0]} in '{path}', which has {existing}; see --list-faces")
    chosen = [tracks[number] for number in numbers]
    indices = np.concatenate([track.indices for track in chosen])
    if len(np.unique(indices)) < len(indices):
        names = ", ".join(map(str, numbers))
        raise DataError(f"faces {names} of '{path}' appear in the same frame, expected faces of one speaker")
    return chosen


def joined_landmarks(tracks: list[FaceTrack], length: int) -> np.ndarray:
    """Landmarks of one speaker's tracks for all `length` frames: float32 (T,68,2), NaN where there is no detection."""
    landmarks = np.full((length, LANDMARK_COUNT, 2), np.nan, np.float32)
    for track in tracks:
        landmarks[np.array(track.indices)] = track.landmarks
    return landmarks
