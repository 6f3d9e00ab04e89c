"""The second pass over a video: speakers whose landmarks are known cut out, masked, and written frame by frame."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dd_tools.face import geometry
from dd_tools.face.landmarks import COUNT, Detector
from dd_tools.face.settings import FACE, STEADY, PrepSettings
from dd_tools.face.usability import frame_status, mark_cut_off
from dd_tools.face.warping import inverted, resample, transform
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.clip import ClipWriter, Source, Status
from dd_tools.formats.history import sha256_of
from dd_tools.media.video import Box, VideoInfo, read_frames

TAPS = 3  # pixels around a sample that bicubic interpolation looks at, and one for rounding

# progress(steps, total, label) passes the steps through, as `Session.progress` does.
Progress = Callable[[Iterable, int | None, str], Iterable]


@dataclass(frozen=True)
class Timeline:
    """A video's frames: pts float64 (T,) seconds, shots (T,) the number of each one's shot; what was damaged."""

    pts: np.ndarray
    shots: np.ndarray
    damage: str | None


@dataclass(frozen=True)
class ClipPlan:
    """What a clip will hold of each of T frames, and where it will lie.

    landmarks float32 (T,68,2) in the video's pixels, NaN without a face; status uint8 (T,); poses, crop_to_source
    float64 (T,2,3).
    """

    path: Path
    settings: PrepSettings
    landmarks: np.ndarray
    status: np.ndarray
    poses: np.ndarray
    crop_to_source: np.ndarray

    def row(self, index: int, part: np.ndarray, box: Box) -> dict[str, np.ndarray | int]:
        """The clip's content for frame `index`, from the `box` of that frame."""
        size, status, crop_to_source = self.settings.size, self.status[index], self.crop_to_source[index]
        content = {"crop_to_source": crop_to_source, "status": status}
        if status == Status.OTHER_SHOT:
            return content | _blank(size) | {"frames": np.zeros((size, size, 3), np.uint8)}
        crop_to_part = crop_to_source - np.array([[0, 0, box.left], [0, 0, box.top]])
        crop = resample(part, crop_to_part, (size, size))
        more = self._masked(crop, index) if status == Status.OK else _blank(size)
        return content | more | {"frames": crop}

    def _masked(self, crop: np.ndarray, index: int) -> dict[str, np.ndarray]:
        """What a clip holds of a usable frame besides its crop."""
        size, source_to_crop = self.settings.size, inverted(self.crop_to_source[index])
        landmarks = transform(self.landmarks[index], source_to_crop).astype(np.float32)
        if self.settings.mask == STEADY:
            mask = geometry.steady_mask(geometry.compose(source_to_crop, self.poses[index]), size)
        else:
            mask = geometry.paper_mask(landmarks, size)
        return {"landmarks": landmarks, "mask": mask, "face": geometry.face_image(crop, landmarks, size)}


def _blank(size: int) -> dict[str, np.ndarray]:
    """The same of a frame that is not usable."""
    face = np.zeros((size, size, 3), np.uint8)
    return {"landmarks": np.zeros((COUNT, 2), np.float32), "mask": face[..., 0], "face": face}


def plan_clip(
    path: Path, settings: PrepSettings, landmarks: np.ndarray, timeline: Timeline, info: VideoInfo
) -> ClipPlan:
    """The plan of the clip at `path` for a speaker's `landmarks` (T,68,2). Every shot is framed for itself."""
    status = frame_status(landmarks, info.width, info.height)
    poses = geometry.fit_poses(landmarks)
    crops = np.tile(np.eye(2, 3), (len(poses), 1, 1))
    for shot in np.unique(timeline.shots):
        here = np.flatnonzero(timeline.shots == shot)
        if (status[here] == Status.NO_FACE).all():
            status[here] = Status.OTHER_SHOT
            continue
        poses[here] = geometry.smooth_poses(poses[here], timeline.pts[here])
        crops[here] = _crops(settings, poses[here], landmarks[here], info)
    mark_cut_off(status, landmarks, crops, settings.size)
    return ClipPlan(path, settings, landmarks, status, poses, crops)


def _crops(settings: PrepSettings, poses: np.ndarray, landmarks: np.ndarray, info: VideoInfo) -> np.ndarray:
    if settings.crop == FACE:
        return geometry.face_crops(poses, settings.size)
    return geometry.head_crops(poses, landmarks, info.width, info.height, settings.size)


def write_clips(
    plans: Sequence[ClipPlan],
    timeline: Timeline,
    info: VideoInfo,
    *,
    detector: Detector | None,
    history: list[dict],
    progress: Progress,
) -> None:
    """Decode the video once more, as much of it as the crops show, and write all clips; the first appears last."""
    source = Source(
        info.path.name, str(info.path.resolve()), sha256_of(info.path), info.width, info.height, info.frame_rate
    )
    box = _box(plans, info)
    frames = read_frames(info, fps=plans[0].settings.fps, box=box)
    with ExitStack() as stack:
        clips = [_open_clip(stack, plan, source, detector, history) for plan in plans]
        labelled = progress(frames, len(timeline.pts), f"{info.path.name}: cutting")
        for index, (frame, pts) in enumerate(zip(labelled, timeline.pts, strict=False)):
            for plan, clip in zip(plans, clips, strict=True):
                clip.append(pts=pts, **plan.row(index, frame.image, box))


def _box(plans: Sequence[ClipPlan], info: VideoInfo) -> Box:
    """The part of the picture that holds every crop, with what its edges are interpolated from."""
    low, high = [], []
    for plan in plans:
        shown = plan.crop_to_source[plan.status != Status.OTHER_SHOT]
        ends = np.array([-0.5, plan.settings.size - 0.5])
        corners = np.concatenate([transform(np.array([x, y]), shown) for x in ends for y in ends])
        low.append(corners.min(0))
        high.append(corners.max(0))
    picture = np.array([info.width, info.height])
    left, top = np.clip(np.floor(np.min(low, 0)) - TAPS, 0, picture - 1).astype(int)
    right, bottom = np.clip(np.ceil(np.max(high, 0)) + 1 + TAPS, 1, picture).astype(int)
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
