"""From a video or image to clips, the work of `dd-prep`.

A video is decoded twice: `tracking.first_pass` finds the landmarks, `cutting` writes the crops. One pass is not enough
because a frame's smoothed crop depends on the frames after it.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.cutting import ClipPlan, plan_clip, write_clips
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.recorded_detector import resumable_detector
from dd_tools.face.settings import ALL, PrepSettings
from dd_tools.face.sheet import write_sheet
from dd_tools.face.tracking.face_tracks import FaceTrack, joined_landmarks
from dd_tools.face.tracking.first_pass import FrameIndex, find_all_faces, find_speaker, match_landmarks
from dd_tools.face.usability import REASONS, Span, check_usable, frame_status, unusable_spans
from dd_tools.formats.atomic import check_output_path
from dd_tools.formats.clip import Status
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.video import VideoInfo, probe
from dd_tools.reporting import SILENT, Reporter

MAX_CLIPS = 8  # clips written in one pass over the video, which bounds memory and open files


@dataclass(frozen=True)
class PrepReport:
    """The outcome of preparing a clip.

    frames: number of frames in the clip.
    usable: number of frames that can be dubbed.
    unusable_spans: where the others are, and why.
    damage: a one-line message if part of the video could not be decoded, or None.
    remarks: further lines about the video, see `VideoInfo.remarks`.
    """

    frames: int
    usable: int
    unusable_spans: list[Span]
    damage: str | None
    remarks: tuple[str, ...] = ()


def prepare_video(
    video_path: Path,
    clip_path: Path,
    settings: PrepSettings,
    *,
    detector: Detector | None,
    landmarks_path: Path | None = None,
    resume: bool = False,
    history: list[dict] | None = None,
    report: Reporter = SILENT,
) -> dict[Path, PrepReport]:
    """Write the clip of one speaker, or of every face if ``settings.face`` is "all"; an interrupted run can be resumed.

    Detections are kept beside the clip until it is written. resume: reuse those of an interrupted run. For the other
    arguments and the errors see `prepare_clip` and `prepare_all_faces`. Returns a report for each clip.
    """
    recorded = nullcontext()
    if detector:
        recorded = resumable_detector(detector, video_path, clip_path, settings, resume=resume, report=report)
    with recorded as detector:
        if settings.face == ALL:
            return prepare_all_faces(video_path, clip_path, settings, detector=detector, history=history, report=report)
        prepared = prepare_clip(
            video_path, clip_path, settings, detector=detector, landmarks_path=landmarks_path, history=history,
            report=report,
        )  # fmt: skip
        return {clip_path: prepared}


def prepare_clip(
    video_path: str | Path,
    clip_path: str | Path,
    settings: PrepSettings,
    *,
    detector: Detector | None,
    landmarks_path: str | Path | None = None,
    history: list[dict] | None = None,
    report: Reporter = SILENT,
) -> PrepReport:
    """Write the clip of one speaker in a video or image, atomically.

    Landmarks are found by `detector` or, if that is None, read from `landmarks_path` (see `first_pass.read_landmarks`).
    history: entries stored in the clip. Raises `DataError` if the video cannot be decoded, the speaker is not found, or
    no frame has a usable face.
    """
    check_output_path(clip_path)
    inputs = Snapshot(Path(video_path))
    info = probe(video_path)
    if landmarks_path is None:
        frames, landmarks = find_speaker(info, settings, detector, report)
    else:
        frames, landmarks = match_landmarks(info, settings, landmarks_path, report)
    _check_usable(info, frames, landmarks, settings)
    plan = plan_clip(Path(clip_path), settings, landmarks, frames, info)
    write_clips(
        [plan], frames, info, inputs=inputs, detector=detector, history=history or [], report=report, need_usable=True
    )
    return _summary(plan, frames, info)


def prepare_all_faces(
    video_path: str | Path,
    first_path: Path,
    settings: PrepSettings,
    *,
    detector: Detector,
    history: list[dict] | None = None,
    report: Reporter = SILENT,
) -> dict[Path, PrepReport]:
    """Write a clip of every face in a video: that of face 0 to `first_path`, NAME-0.h5, that of face n to NAME-n.h5.

    Each clip equals the one that `prepare_clip` writes for that number. The first clip is written last, so that its
    presence shows that all are complete. Raises `DataError` as `prepare_clip` does, but not for a face whose mouth is
    covered or outside the crop throughout: its clip has no usable frame.
    """
    check_output_path(first_path)
    inputs = Snapshot(Path(video_path))
    info = probe(video_path)
    frames, tracks = find_all_faces(info, settings, detector, report)
    reports = {}
    for start in reversed(range(0, len(tracks), MAX_CLIPS)):
        plans = [
            _plan_track(tracks[number], number, first_path, settings, frames, info)
            for number in range(start, min(start + MAX_CLIPS, len(tracks)))
        ]
        write_clips(plans, frames, info, inputs=inputs, detector=detector, history=history or [], report=report)
        reports = {plan.path: _summary(plan, frames, info) for plan in plans} | reports
    return reports


def list_faces(
    video_path: str | Path,
    sheet_path: str | Path,
    settings: PrepSettings,
    *,
    detector: Detector,
    report: Reporter = SILENT,
) -> list[FaceTrack]:
    """Draw the faces of a video with their numbers to the PNG `sheet_path`, and return them in order of their numbers.

    Raises `DataError` if the video cannot be decoded or has no usable face.
    """
    check_output_path(sheet_path)
    inputs = Snapshot(Path(video_path))
    info = probe(video_path)
    frames, tracks = find_all_faces(info, settings, detector, report)
    inputs.check()
    write_sheet(tracks, frames.pts, sheet_path)
    return tracks


def report_lines(report: PrepReport, name: str | Path) -> list[str]:
    """A report on the clip or video `name` in lines: number of usable frames, damage, and every unusable span."""
    lines = [f"'{name}': {report.usable} of {report.frames} frames usable"]
    if report.damage:
        lines.append(report.damage)
    lines.extend(report.remarks)
    for span in report.unusable_spans:
        where = f"{span.start:.2f}-{span.end:.2f} s (frames {span.first}-{span.last})"
        lines.append(f"'{name}': {where}: {REASONS[span.status]}")
    return lines


def _check_usable(info: VideoInfo, frames: FrameIndex, landmarks: np.ndarray, settings: PrepSettings) -> None:
    status = frame_status(landmarks, info.width, info.height, frames.shots)
    if (status == Status.NO_FACE).all():
        place = f" at {settings.at[0]:g},{settings.at[1]:g}" if settings.at else ""
        raise DataError(f"no face found{place} in '{info.path}'")
    check_usable(status, info.path)


def _plan_track(
    track: FaceTrack, number: int, first_path: Path, settings: PrepSettings, frames: FrameIndex, info: VideoInfo
) -> ClipPlan:
    """The plan of the clip of face `number`, beside the one of face 0."""
    path = first_path.with_name(f"{first_path.stem.removesuffix('0')}{number}{first_path.suffix}")
    landmarks = joined_landmarks([track], len(frames.pts))
    return plan_clip(path, replace(settings, face=str(number)), landmarks, frames, info)


def _summary(plan: ClipPlan, frames: FrameIndex, info: VideoInfo) -> PrepReport:
    usable, spans = int(np.sum(plan.status == Status.OK)), list(unusable_spans(plan.status, frames.pts))
    remarks = tuple(info.remarks(deinterlace=plan.settings.deinterlace))
    return PrepReport(len(plan.status), usable, spans, frames.damage, remarks)
