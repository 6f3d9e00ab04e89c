"""The second pass over a video: crops, masks and face images are computed from known landmarks and written to clips."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face import geometry
from dd_tools.face.affine import compose, invert, resample, transform
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.landmarks import LANDMARK_COUNT
from dd_tools.face.settings import FACE, STEADY, PrepSettings
from dd_tools.face.tracking.first_pass import FrameIndex
from dd_tools.face.usability import frame_status, mark_outside_crop
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.clip import ClipWriter, Source, Status
from dd_tools.formats.history import sha256_of
from dd_tools.media.video import Box, Frame, VideoInfo, read_frames
from dd_tools.reporting import Reporter

INTERPOLATION_MARGIN = 3  # pixels around a sample that bicubic interpolation reads, and one for rounding


@dataclass(frozen=True)
class ClipPlan:
    """Everything about a clip that is computed before its pixels are read.

    path: the clip's file.
    settings: the settings it is made with.
    landmarks: float32 (T,68,2) in frame pixels, NaN without a face.
    status: uint8 (T,), the `Status` of each frame.
    poses: float64 (T,2,3), smoothed, from template to frame.
    crop_to_source: float64 (T,2,3), from crop to frame.
    """

    path: Path
    settings: PrepSettings
    landmarks: np.ndarray
    status: np.ndarray
    poses: np.ndarray
    crop_to_source: np.ndarray

    def frame_data(self, index: int, part: np.ndarray, box: Box) -> dict[str, np.ndarray | int]:
        """The values of frame `index` for `ClipWriter.append`, except its time. part: the frame's `box` (h,w,3)."""
        size, status, crop_to_source = self.settings.size, self.status[index], self.crop_to_source[index]
        data = {"crop_to_source": crop_to_source, "status": status}
        if status == Status.OTHER_SHOT:
            return data | _empty_face_data(size) | {"frames": np.zeros((size, size, 3), np.uint8)}
        crop_to_part = crop_to_source - np.array([[0, 0, box.left], [0, 0, box.top]])
        crop = resample(part, crop_to_part, (size, size))
        face_data = self._face_data(crop, index) if status == Status.OK else _empty_face_data(size)
        return data | face_data | {"frames": crop}

    def _face_data(self, crop: np.ndarray, index: int) -> dict[str, np.ndarray]:
        """Landmarks, mask and face image of a usable frame."""
        size, source_to_crop = self.settings.size, invert(self.crop_to_source[index])
        landmarks = transform(self.landmarks[index], source_to_crop).astype(np.float32)
        if self.settings.mask == STEADY:
            mask = geometry.steady_mask(compose(source_to_crop, self.poses[index]), size)
        else:
            mask = geometry.paper_mask(landmarks, size)
        return {"landmarks": landmarks, "mask": mask, "face": geometry.face_image(crop, landmarks, size)}


def _empty_face_data(size: int) -> dict[str, np.ndarray]:
    face = np.zeros((size, size, 3), np.uint8)
    return {"landmarks": np.zeros((LANDMARK_COUNT, 2), np.float32), "mask": face[..., 0], "face": face}


def plan_clip(
    path: Path, settings: PrepSettings, landmarks: np.ndarray, frames: FrameIndex, info: VideoInfo
) -> ClipPlan:
    """Plan the clip of a speaker with `landmarks` (T,68,2), NaN without a face.

    Each shot is smoothed and framed separately. A shot in which the speaker is never found gets status OTHER_SHOT.
    """
    status = frame_status(landmarks, info.width, info.height)
    poses = geometry.fit_poses(landmarks)
    crop_to_source = np.tile(np.eye(2, 3), (len(poses), 1, 1))
    for shot in np.unique(frames.shots):
        here = np.flatnonzero(frames.shots == shot)
        if (status[here] == Status.NO_FACE).all():
            status[here] = Status.OTHER_SHOT
            continue
        poses[here] = geometry.smooth_poses(poses[here], frames.pts[here])
        crop_to_source[here] = _crops(settings, poses[here], landmarks[here], info)
    mark_outside_crop(status, landmarks, crop_to_source, settings.size)
    return ClipPlan(path, settings, landmarks, status, poses, crop_to_source)


def _crops(settings: PrepSettings, poses: np.ndarray, landmarks: np.ndarray, info: VideoInfo) -> np.ndarray:
    if settings.crop == FACE:
        return geometry.face_crops(poses, settings.size)
    return geometry.head_crops(poses, landmarks, info.width, info.height, settings.size)


def write_clips(
    plans: Sequence[ClipPlan],
    frames: FrameIndex,
    info: VideoInfo,
    *,
    detector: Detector | None,
    history: list[dict],
    report: Reporter,
) -> None:
    """Decode the part of the video that the crops cover, and write all clips; the first is renamed into place last.

    detector: the detector that found the landmarks; None if they were read from a file. history: the clips' history
    entries.
    """
    source = Source(
        info.path.name,
        str(info.path.resolve()),
        sha256_of(info.path),
        info.width,
        info.height,
        info.frame_rate,
        frames.end,
    )
    box = _covering_box(plans, info)
    decoded = read_frames(info, fps=plans[0].settings.fps, box=box, deinterlace=plans[0].settings.deinterlace)
    with ExitStack() as stack:
        clips = [_open_clip(stack, plan, source, detector, history) for plan in plans]
        decoded = report.progress(decoded, len(frames.pts), f"{info.path.name}: cutting")
        for index, image in enumerate(_as_many(decoded, len(frames.pts), info.path)):
            for plan, clip in zip(plans, clips, strict=True):
                clip.append(pts=frames.pts[index], **plan.frame_data(index, image, box))


def _as_many(frames: Iterable[Frame], expected: int, path: Path) -> Iterator[np.ndarray]:
    """The images of `frames`. Raises `DataError` unless there are `expected`, as many as in the first pass."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        if count <= expected:
            yield frame.image
    if count != expected:
        raise DataError(f"cannot use '{path}': {expected} frames when it was tracked, {count} when it was cut")


def _covering_box(plans: Sequence[ClipPlan], info: VideoInfo) -> Box:
    """The part of the frame that contains every crop, with the margin that interpolation needs."""
    low, high = [], []
    for plan in plans:
        crop_to_source = plan.crop_to_source[plan.status != Status.OTHER_SHOT]
        ends = np.array([-0.5, plan.settings.size - 0.5])
        corners = np.concatenate([transform(np.array([x, y]), crop_to_source) for x in ends for y in ends])
        low.append(corners.min(0))
        high.append(corners.max(0))
    frame_size = np.array([info.width, info.height])
    left, top = np.clip(np.floor(np.min(low, 0)) - INTERPOLATION_MARGIN, 0, frame_size - 1).astype(int)
    right, bottom = np.clip(np.ceil(np.max(high, 0)) + 1 + INTERPOLATION_MARGIN, 1, frame_size).astype(int)
    return Box(int(left), int(top), int(right), int(bottom))


def _open_clip(
    stack: ExitStack, plan: ClipPlan, source: Source, detector: Detector | None, history: list[dict]
) -> ClipWriter:
    temporary = stack.enter_context(atomic_output(plan.path))
    clip = ClipWriter(
        temporary,
        size=plan.settings.size,
        face_size=plan.settings.size,
        source=source,
        detector={"name": detector.name, "version": detector.version} if detector else {"name": "own", "version": ""},
        settings=asdict(plan.settings),
        history=history,
    )
    return stack.enter_context(clip)
