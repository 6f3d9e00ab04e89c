"""The first pass over a video: every frame is decoded once, faces are tracked, times and shots are recorded.

Only landmarks are kept, not frames, so memory does not grow with the frame size.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.landmarks import LANDMARK_COUNT
from dd_tools.face.settings import SPEAKING, PrepSettings
from dd_tools.face.tracking.active_speaker import audio_energy, speaking_tracks
from dd_tools.face.tracking.choosers import CHOOSERS, at_point, first_shot_only
from dd_tools.face.tracking.face_tracks import FaceTrack, joined_landmarks, track_all_faces, tracks_by_number
from dd_tools.face.tracking.shots import ShotFrame, number_shots
from dd_tools.face.tracking.speaker import track_speaker
from dd_tools.face.usability import frame_status
from dd_tools.formats.arrays import read_array
from dd_tools.formats.clip import Status
from dd_tools.media.video import Frame, VideoInfo, read_frames
from dd_tools.reporting import Reporter

Result = TypeVar("Result")

MIN_STANDING = 1.5  # nominal frames: a last frame that is shown for longer stands, as in a screen recording
FARTHEST = 1e5  # pixels: no frame is larger


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a video without their pixels.

    pts: float64 (T,) times in seconds, rising.
    shots: (T,) number of each frame's shot, from 0.
    damage: a one-line message if part of the video could not be decoded, or None.
    end: time in seconds at which the last frame ends, if it stands longer than the others; otherwise None.
    """

    pts: np.ndarray
    shots: np.ndarray
    damage: str | None
    end: float | None = None


def find_speaker(
    info: VideoInfo, settings: PrepSettings, detector: Detector, report: Reporter
) -> tuple[FrameIndex, np.ndarray]:
    """Track the speaker that `settings` choose: landmarks float32 (T,68,2) in frame pixels, NaN without a detection.

    Raises `DataError` if the video cannot be decoded, and if faces are chosen by number or by speech but not found.
    """
    if settings.numbers or settings.face == SPEAKING:
        frames, tracks = find_all_faces(info, settings, detector, report)
        if settings.numbers:
            chosen = tracks_by_number(tracks, settings.numbers, info.path)
        else:
            chosen = speaking_tracks(tracks, frames.pts, audio_energy(info.path) if info.has_audio else None)
        return frames, joined_landmarks(chosen, len(frames.pts))
    choose = at_point(*settings.at) if settings.at else CHOOSERS[settings.face]
    frames, landmarks = _scan(info, settings, lambda frames: _stacked(track_speaker(frames, detector, choose)), report)
    return frames, first_shot_only(landmarks, frames.shots) if settings.at else landmarks


def find_all_faces(
    info: VideoInfo, settings: PrepSettings, detector: Detector, report: Reporter
) -> tuple[FrameIndex, list[FaceTrack]]:
    """The tracks of all faces that can be dubbed in at least one frame; the index of a track is the face's number.

    Raises `DataError` if there is none.
    """
    frames, tracks = _scan(info, settings, lambda frames: track_all_faces(frames, detector), report)
    usable = [track for track in tracks if (frame_status(track.landmarks, info.width, info.height) == Status.OK).any()]
    if not usable:
        raise DataError(f"no {'usable ' if tracks else ''}face found in '{info.path}'")
    return frames, usable


def match_landmarks(
    info: VideoInfo, settings: PrepSettings, landmarks_path: str | Path, report: Reporter
) -> tuple[FrameIndex, np.ndarray]:
    """The landmarks in a file (see `read_landmarks`). Raises `DataError` unless it has as many frames as the video."""
    landmarks = read_landmarks(landmarks_path)
    frames, count = _scan(info, settings, lambda frames: sum(1 for _ in frames), report)
    if len(landmarks) != count:
        raise DataError(f"cannot use '{landmarks_path}': {len(landmarks)} frames, but '{info.path}' has {count}")
    return frames, landmarks


def read_landmarks(path: str | Path) -> np.ndarray:
    """Read landmarks from an NPY file: (T,68,2) x, y in frame pixels, iBUG order. Returns float32, NaN without a face.

    In the file, a frame without a face is all zeros, as in a clip. Raises `DataError` for another shape or content.
    """
    landmarks = read_array(path, ("T frames", f"{LANDMARK_COUNT} points", "x and y"))
    if landmarks.shape[1:] != (LANDMARK_COUNT, 2):
        raise DataError(f"cannot use '{path}': shape {landmarks.shape}, expected (T, {LANDMARK_COUNT}, 2)")
    farthest = np.abs(landmarks).max(initial=0)
    if farthest > FARTHEST:
        raise DataError(f"cannot use '{path}': coordinates up to {farthest:g}, expected pixels of a frame")
    landmarks = landmarks.astype(np.float32)
    landmarks[~landmarks.any((1, 2))] = np.nan
    return landmarks


def _scan(
    info: VideoInfo, settings: PrepSettings, process: Callable[[Iterable[ShotFrame]], Result], report: Reporter
) -> tuple[FrameIndex, Result]:
    """Decode the whole video, pass its frames to `process`, and record times, shots and damage."""
    damage: list[str] = []
    pts, ends, shots = array("d"), array("d"), array("I")
    rate = settings.fps or info.frame_rate
    expected = 1 if info.is_still else info.duration and round(info.duration * rate)
    decoded = read_frames(info, fps=settings.fps, deinterlace=settings.deinterlace, on_damage=damage.append)
    frames = report.progress(decoded, expected, f"{info.path.name}: tracking")
    result = process(_recording(frames, pts, ends, shots))
    stands = len(pts) and (ends[-1] - pts[-1]) * rate > MIN_STANDING
    index = FrameIndex(np.array(pts), np.array(shots), damage[0] if damage else None, ends[-1] if stands else None)
    return index, result


def _recording(frames: Iterable[Frame], pts: array, ends: array, shots: array) -> Iterator[ShotFrame]:
    """Pass frames on with their shots, and append to `pts`, `ends` and `shots`."""

    def images() -> Iterator[np.ndarray]:
        for frame in frames:
            pts.append(frame.pts)
            ends.append(frame.pts + (frame.duration or 0))
            yield frame.image

    for image, shot in number_shots(images()):
        shots.append(shot)
        yield image, shot


def _stacked(faces: Iterable[np.ndarray | None]) -> np.ndarray:
    """Landmarks of consecutive frames as float32 (T,68,2), NaN for None. They go into one buffer, as T is not known."""
    missing = np.full((LANDMARK_COUNT, 2), np.nan, np.float32)
    values = array("f")
    for face in faces:
        values.frombytes((missing if face is None else face.astype(np.float32)).tobytes())
    return np.frombuffer(values, np.float32).reshape(-1, LANDMARK_COUNT, 2)
