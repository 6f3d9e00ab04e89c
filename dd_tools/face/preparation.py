"""From a video or picture to clips: the speakers tracked, cut out, masked, and written frame by frame.

The video is decoded twice, once to track and once to cut, because a frame's steady crop depends on the frames after it.
Only landmarks are kept in between, so memory does not grow with the pictures.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.choice import CHOOSERS, as_speaker, at_point, by_numbers, first_shot_only, sound_energy, speaking
from dd_tools.face.company import FaceTrack, follow_everybody
from dd_tools.face.cutting import ClipPlan, Progress, Timeline, plan_clip, write_clips
from dd_tools.face.landmarks import COUNT, Detector
from dd_tools.face.settings import SPEAKING, PrepSettings
from dd_tools.face.sheet import write_sheet
from dd_tools.face.shots import in_shots
from dd_tools.face.tracking import track
from dd_tools.face.usability import REASONS, Span, frame_status, unusable_spans
from dd_tools.formats.arrays import read_array
from dd_tools.formats.atomic import check_output_path
from dd_tools.formats.clip import Status
from dd_tools.media.video import Frame, VideoInfo, probe, read_frames

AT_ONCE = 8  # clips written in one pass over the video, which bounds memory and open files

Scenes = Iterable[tuple[np.ndarray, int]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class PrepReport:
    """What came of a video: frames in the clip, how many can be dubbed, where the others are, what was damaged."""

    frames: int
    usable: int
    unusable_spans: list[Span]
    damage: str | None

    def lines(self, name: str | Path) -> list[str]:
        """The report as lines about `name`: the count, what was damaged, and every span that cannot be dubbed."""
        lines = [f"'{name}': {self.usable} of {self.frames} frames usable"]
        if self.damage:
            lines.append(self.damage)
        for span in self.unusable_spans:
            lines.append(
                f"'{name}': {span.start:.2f}-{span.end:.2f} s (frames {span.first}-{span.last}): {REASONS[span.status]}"
            )
        return lines


def prepare_clip(
    video_path: str | Path,
    out_path: str | Path,
    settings: PrepSettings,
    *,
    detector: Detector | None,
    landmarks_path: str | Path | None = None,
    history: list[dict] | None = None,
    progress: Progress = lambda steps, total, label: steps,
) -> PrepReport:
    """Write the clip of the speaker in `video_path` (a video or picture) to `out_path`, atomically.

    Landmarks come from `detector` or, if that is None, from the file `landmarks_path` (see `read_landmarks`). Raises
    `DataError` where nothing can be decoded, nobody is as `settings` ask for, or no frame has a usable face.
    """
    check_output_path(out_path)
    info = probe(video_path)
    if landmarks_path is None:
        timeline, landmarks = _find_speaker(info, settings, detector, progress)
    else:
        timeline, landmarks = _given_speaker(info, settings, landmarks_path, progress)
    _require_usable(info, landmarks, settings)
    plan = plan_clip(Path(out_path), settings, landmarks, timeline, info)
    write_clips([plan], timeline, info, detector=detector, history=history or [], progress=progress)
    return _report(plan, timeline)


def prepare_everybody(
    video_path: str | Path,
    out_path: Callable[[int], Path],
    settings: PrepSettings,
    *,
    detector: Detector,
    history: list[dict] | None = None,
    progress: Progress = lambda steps, total, label: steps,
) -> dict[Path, PrepReport]:
    """Write a clip of every face in `video_path`, that of face n to `out_path(n)`; the first clip appears last.

    Each is the clip that `prepare_clip` writes for that number. Raises `DataError` as it does.
    """
    check_output_path(out_path(0))
    info = probe(video_path)
    timeline, tracks = _find_everybody(info, settings.fps, detector, progress)
    reports = {}
    for start in reversed(range(0, len(tracks), AT_ONCE)):
        plans = [
            _plan_track(tracks[number], out_path(number), replace(settings, face=str(number)), timeline, info)
            for number in range(start, min(start + AT_ONCE, len(tracks)))
        ]
        write_clips(plans, timeline, info, detector=detector, history=history or [], progress=progress)
        reports = {plan.path: _report(plan, timeline) for plan in plans} | reports
    return reports


def list_faces(
    video_path: str | Path,
    sheet_path: str | Path,
    fps: float | None,
    *,
    detector: Detector,
    progress: Progress = lambda steps, total, label: steps,
) -> list[FaceTrack]:
    """The faces of a video in the order of their numbers, and a picture of them all, with numbers, at `sheet_path`."""
    check_output_path(sheet_path)
    info = probe(video_path)
    timeline, tracks = _find_everybody(info, fps, detector, progress)
    write_sheet(tracks, timeline.pts, sheet_path)
    return tracks


def read_landmarks(path: str | Path) -> np.ndarray:
    """One's own landmarks: NPY (T,68,2), x and y in the pixels of the decoded video, in iBUG order, as float32.

    A row of zeros is a frame without a face, as in a clip. Raises `DataError` for anything else.
    """
    landmarks = read_array(path, ("T frames", f"{COUNT} points", "x and y"))
    if landmarks.shape[1:] != (COUNT, 2):
        raise DataError(f"cannot use '{path}': shape {landmarks.shape}, expected (T, {COUNT}, 2)")
    landmarks = landmarks.astype(np.float32)
    landmarks[~landmarks.any((1, 2))] = np.nan
    return landmarks


def _find_speaker(
    info: VideoInfo, settings: PrepSettings, detector: Detector, progress: Progress
) -> tuple[Timeline, np.ndarray]:
    """The landmarks (T,68,2) of whom `settings` ask for."""
    if settings.numbers or settings.face == SPEAKING:
        timeline, tracks = _find_everybody(info, settings.fps, detector, progress)
        if settings.numbers:
            chosen = by_numbers(tracks, settings.numbers, info.path)
        else:
            chosen = speaking(tracks, timeline.pts, sound_energy(info.path) if info.has_audio else None)
        return timeline, as_speaker(chosen, len(timeline.pts))
    choose = at_point(*settings.at) if settings.at else CHOOSERS[settings.face]
    timeline, landmarks = _watch(
        info, settings.fps, lambda scenes: _recorded(track(scenes, detector, choose)), progress
    )
    return timeline, first_shot_only(landmarks, timeline.shots) if settings.at else landmarks


def _find_everybody(
    info: VideoInfo, fps: float | None, detector: Detector, progress: Progress
) -> tuple[Timeline, list[FaceTrack]]:
    """The faces that can be dubbed in some frame, in the order of their numbers."""
    timeline, tracks = _watch(info, fps, lambda scenes: follow_everybody(scenes, detector), progress)
    usable = [one for one in tracks if (frame_status(one.landmarks, info.width, info.height) == Status.OK).any()]
    if not usable:
        raise DataError(f"no {'usable ' if tracks else ''}face found in '{info.path}'")
    return timeline, usable


def _given_speaker(
    info: VideoInfo, settings: PrepSettings, landmarks_path: str | Path, progress: Progress
) -> tuple[Timeline, np.ndarray]:
    landmarks = read_landmarks(landmarks_path)
    timeline, count = _watch(info, settings.fps, lambda scenes: sum(1 for _ in scenes), progress)
    if len(landmarks) != count:
        raise DataError(f"cannot use '{landmarks_path}': {len(landmarks)} frames, but '{info.path}' has {count}")
    return timeline, landmarks


def _watch(
    info: VideoInfo, fps: float | None, follow: Callable[[Scenes], Result], progress: Progress
) -> tuple[Timeline, Result]:
    """The first pass: decode everything, let `follow` look at it, and keep times and shots."""
    damage: list[str] = []
    pts, shots = array("d"), array("I")
    expected = 1 if info.is_still else info.duration and round(info.duration * (fps or info.frame_rate))
    frames = progress(read_frames(info, fps=fps, on_damage=damage.append), expected, f"{info.path.name}: tracking")
    result = follow(_noting(frames, pts, shots))
    return Timeline(np.array(pts), np.array(shots), damage[0] if damage else None), result


def _noting(frames: Iterable[Frame], pts: array, shots: array) -> Iterator[tuple[np.ndarray, int]]:
    def images() -> Iterator[np.ndarray]:
        for frame in frames:
            pts.append(frame.pts)
            yield frame.image

    for image, shot in in_shots(images()):
        shots.append(shot)
        yield image, shot


def _recorded(faces: Iterable[np.ndarray | None]) -> np.ndarray:
    """float32 (T,68,2), NaN for None."""
    nowhere = np.full((COUNT, 2), np.nan, np.float32)
    values = array("f")
    for face in faces:
        values.frombytes((nowhere if face is None else face.astype(np.float32)).tobytes())
    return np.frombuffer(values, np.float32).reshape(-1, COUNT, 2)


def _require_usable(info: VideoInfo, landmarks: np.ndarray, settings: PrepSettings) -> None:
    status = frame_status(landmarks, info.width, info.height)
    found = status[status != Status.NO_FACE]
    if not len(found):
        place = f" at {settings.at[0]:g},{settings.at[1]:g}" if settings.at else ""
        raise DataError(f"no face found{place} in '{info.path}'")
    if Status.OK not in found:
        raise DataError(f"no usable face in '{info.path}': {REASONS[Status(int(found[0]))]}")


def _plan_track(one: FaceTrack, path: Path, settings: PrepSettings, timeline: Timeline, info: VideoInfo) -> ClipPlan:
    return plan_clip(path, settings, as_speaker([one], len(timeline.pts)), timeline, info)


def _report(plan: ClipPlan, timeline: Timeline) -> PrepReport:
    usable = int(np.sum(plan.status == Status.OK))
    spans = list(unusable_spans(plan.status, timeline.pts))
    return PrepReport(len(plan.status), usable, spans, timeline.damage)
