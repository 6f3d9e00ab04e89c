"""The second pass over a video: crops, masks and face images are computed from known landmarks and written to clips.

Here it is also seen which mouths are covered. Each decision waits for the next two frames, which are held for that.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face import geometry
from dd_tools.face.affine import compose, invert, resample, transform
from dd_tools.face.covering import is_covered
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.landmarks import LANDMARK_COUNT
from dd_tools.face.settings import FACE, STEADY, PrepSettings
from dd_tools.face.tracking.first_pass import FrameIndex
from dd_tools.face.tracking.shots import shot_slices
from dd_tools.face.usability import VOTE_FRAMES, check_usable, frame_status, majority, mark_outside_crop
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.clip import ClipWriter, Source, Status
from dd_tools.formats.history import sha256_of
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.video import Box, Frame, VideoInfo, read_frames
from dd_tools.reporting import Reporter

INTERPOLATION_MARGIN = 3  # pixels around a sample that bicubic interpolation reads, and one for rounding


@dataclass(frozen=True)
class ClipPlan:
    """Everything about a clip that is computed before its pixels are read.

    path: the clip's file.
    settings: the settings it is made with.
    landmarks: float32 (T,68,2) in frame pixels, NaN without a face.
    status: uint8 (T,), the `Status` of each frame. COVERED is set while the clip is written.
    seems_covered: bool (T,), whether the mouth seems to be covered in each frame by itself; set likewise.
    shots: (T,) number of each frame's shot.
    poses: float64 (T,2,3), smoothed, from template to frame.
    crop_to_source: float64 (T,2,3), from crop to frame.
    """

    path: Path
    settings: PrepSettings
    landmarks: np.ndarray
    status: np.ndarray
    seems_covered: np.ndarray
    shots: np.ndarray
    poses: np.ndarray
    crop_to_source: np.ndarray

    def look_at_mouth(self, index: int, part: np.ndarray, box: Box) -> None:
        """See whether the mouth seems to be covered in frame `index`. part: the frame's `box` (h,w,3)."""
        if self.status[index] == Status.OK:
            self.seems_covered[index] = is_covered(part, self.landmarks[index] - (box.left, box.top))

    def decide_mouth(self, index: int) -> None:
        """Set the status of frame `index` if its mouth is covered. The frames whose votes count have been looked at."""
        first = max(0, index - VOTE_FRAMES // 2)
        around = slice(first, index + VOTE_FRAMES // 2 + 1)
        if self.status[index] == Status.OK and majority(self.seems_covered[around], self.shots[around])[index - first]:
            self.status[index] = Status.COVERED

    def frame_data(self, index: int, part: np.ndarray, box: Box) -> dict[str, np.ndarray | int]:
        """The values of frame `index` for `ClipWriter.append`, except its time. part: the frame's `box` (h,w,3)."""
        size, status, crop_to_source = self.settings.size, self.status[index], self.crop_to_source[index]
        data = {"crop_to_source": crop_to_source, "status": status, "shot": self.shots[index]}
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
    status = frame_status(landmarks, info.width, info.height, frames.shots)
    poses = geometry.fit_poses(landmarks)
    crop_to_source = np.tile(np.eye(2, 3), (len(poses), 1, 1))
    for here in shot_slices(frames.shots):
        if (status[here] == Status.NO_FACE).all():
            status[here] = Status.OTHER_SHOT
            continue
        poses[here] = geometry.smooth_poses(poses[here], frames.pts[here])
        crop_to_source[here] = _crops(settings, poses[here], landmarks[here], info)
    mark_outside_crop(status, landmarks, crop_to_source, settings.size)
    return ClipPlan(path, settings, landmarks, status, np.zeros(len(status), bool), frames.shots, poses, crop_to_source)


def _crops(settings: PrepSettings, poses: np.ndarray, landmarks: np.ndarray, info: VideoInfo) -> np.ndarray:
    if settings.crop == FACE:
        return geometry.face_crops(poses, settings.size)
    return geometry.head_crops(poses, landmarks, info.width, info.height, settings.size)


def write_clips(
    plans: Sequence[ClipPlan],
    frames: FrameIndex,
    info: VideoInfo,
    *,
    inputs: Snapshot,
    detector: Detector | None,
    history: list[dict],
    report: Reporter,
    need_usable: bool = False,
) -> None:
    """Decode the part of the video that the crops cover, and write all clips; the first is renamed into place last.

    inputs: the video, from before it was probed. detector: the detector that found the landmarks; None if they were
    read from a file. history: the clips' history entries. need_usable: whether there must be a frame that can be
    dubbed. Raises `DataError` if there is none, and if the video has changed or now has another number of frames than
    `frames`.
    """
    source = Source(info.path.name, sha256_of(info.path), info.width, info.height, info.frame_rate, frames.end)
    box = _covering_box(plans, info)
    decoded = read_frames(info, fps=plans[0].settings.fps, box=box, deinterlace=plans[0].settings.deinterlace)
    with ExitStack() as stack:
        clips = [_open_clip(stack, plan, source, detector, history) for plan in plans]
        decoded = report.progress(decoded, len(frames.pts), f"{info.path.name}: cutting")
        for index, part in _decided(_matched(decoded, frames, info), plans, box):
            for plan, clip in zip(plans, clips, strict=True):
                clip.append(pts=frames.pts[index], **plan.frame_data(index, part, box))
        if need_usable:
            check_usable(np.concatenate([plan.status for plan in plans]), info.path)
        inputs.check()


def _decided(
    numbered: Iterable[tuple[int, np.ndarray]], plans: Sequence[ClipPlan], box: Box
) -> Iterator[tuple[int, np.ndarray]]:
    """Pass frames on, each when enough frames after it are seen to decide in all plans whether the mouth is covered."""
    held: deque[tuple[int, np.ndarray]] = deque()

    def oldest() -> tuple[int, np.ndarray]:
        for plan in plans:
            plan.decide_mouth(held[0][0])
        return held.popleft()

    for index, part in numbered:
        for plan in plans:
            plan.look_at_mouth(index, part, box)
        held.append((index, part))
        if len(held) > VOTE_FRAMES // 2:
            yield oldest()
    while held:
        yield oldest()


def _matched(decoded: Iterable[Frame], frames: FrameIndex, info: VideoInfo) -> Iterator[tuple[int, np.ndarray]]:
    """The images of decoded frames with their numbers. Raises `DataError` unless there are as many as `frames`."""
    expected, count = len(frames.pts), 0
    for count, frame in enumerate(decoded, 1):
        if count <= expected:
            yield count - 1, frame.image
    if count != expected:
        raise DataError(f"cannot cut '{info.path}': {count} frames, but {expected} when faces were tracked")


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
