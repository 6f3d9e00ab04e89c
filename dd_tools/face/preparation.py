"""From a video or picture to a clip: the speaker tracked, cut out, masked, and written frame by frame.

The video is decoded twice, once to track and once to cut, because a frame's steady crop depends on the frames after it.
Only landmarks are kept in between, so memory does not grow with the pictures.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face import geometry
from dd_tools.face.landmarks import COUNT, Detector
from dd_tools.face.settings import FACE, STEADY, PrepSettings
from dd_tools.face.tracking import track
from dd_tools.face.usability import REASONS, Span, frame_status, mark_cut_off, unusable_spans
from dd_tools.face.warping import inverted, resample, transform
from dd_tools.formats.arrays import read_array
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.formats.clip import ClipWriter, Source, Status
from dd_tools.formats.history import sha256_of
from dd_tools.media.video import Frame, VideoInfo, probe, read_frames

# progress(steps, total, label) passes the steps through, as `Session.progress` does.
Progress = Callable[[Iterable, int | None, str], Iterable]


@dataclass(frozen=True)
class PrepReport:
    """What came of a video: frames in the clip, how many can be dubbed, where the others are, what was damaged."""

    frames: int
    usable: int
    unusable_spans: list[Span]
    damage: str | None


@dataclass(frozen=True)
class Track:
    """A speaker in a video: pts float64 (T,) seconds, landmarks float32 (T,68,2) in its pixels, NaN without a face."""

    pts: np.ndarray
    landmarks: np.ndarray
    damage: str | None


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
    `DataError` where nothing can be decoded or no frame has a usable face.
    """
    check_output_path(out_path)
    info = probe(video_path)
    speaker = _follow_speaker(info, settings.fps, detector, landmarks_path, progress)
    status = frame_status(speaker.landmarks, info.width, info.height)
    _require_usable(info.path, status)
    poses = geometry.smooth_poses(geometry.fit_poses(speaker.landmarks), speaker.pts)
    crops = _crops(settings, poses, speaker.landmarks, info)
    mark_cut_off(status, speaker.landmarks, crops, settings.size)
    with atomic_output(out_path) as temporary, _writer(temporary, info, settings, detector, history) as clip:
        frames = progress(read_frames(info.path, fps=settings.fps), len(status), f"{info.path.name}: cutting")
        rows = zip(frames, speaker.pts, status, speaker.landmarks, poses, crops, strict=False)
        for frame, pts, state, landmarks, pose, crop_to_source in rows:
            crop = resample(frame.image, crop_to_source, (settings.size, settings.size))
            if state == Status.OK:
                content = _masked(crop, settings, landmarks, pose, crop_to_source)
            else:
                content = _blank(settings.size)
            clip.append(frames=crop, crop_to_source=crop_to_source, pts=pts, status=state, **content)
    usable = int(np.sum(status == Status.OK))
    return PrepReport(len(status), usable, list(unusable_spans(status, speaker.pts)), speaker.damage)


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


def _follow_speaker(
    info: VideoInfo, fps: float | None, detector: Detector | None, landmarks_path: str | Path | None, progress: Progress
) -> Track:
    """The first pass: decode everything, keep times and landmarks."""
    given = None if landmarks_path is None else read_landmarks(landmarks_path)
    damage: list[str] = []
    pts: list[float] = []
    expected = 1 if info.is_still else info.duration and round(info.duration * (fps or info.frame_rate))
    frames = progress(read_frames(info.path, fps=fps, on_damage=damage.append), expected, f"{info.path.name}: tracking")
    images = _noting_times(frames, pts)
    if given is None:
        nowhere = np.full((COUNT, 2), np.nan, np.float32)
        landmarks = np.array([nowhere if face is None else face for face in track(images, detector)])
    else:
        landmarks = given
        for _ in images:
            pass
    if len(landmarks) != len(pts):
        raise DataError(f"cannot use '{landmarks_path}': {len(landmarks)} frames, but '{info.path}' has {len(pts)}")
    return Track(np.array(pts), landmarks, damage[0] if damage else None)


def _noting_times(frames: Iterable[Frame], pts: list[float]) -> Iterator[np.ndarray]:
    for frame in frames:
        pts.append(frame.pts)
        yield frame.image


def _require_usable(path: Path, status: np.ndarray) -> None:
    found = status[status != Status.NO_FACE]
    if not len(found):
        raise DataError(f"no face found in '{path}'")
    if Status.OK not in found:
        raise DataError(f"no usable face in '{path}': {REASONS[Status(int(found[0]))]}")


def _crops(settings: PrepSettings, poses: np.ndarray, landmarks: np.ndarray, info: VideoInfo) -> np.ndarray:
    if settings.crop == FACE:
        return geometry.face_crops(poses, settings.size)
    return geometry.head_crops(poses, landmarks, info.width, info.height, settings.size)


def _masked(
    crop: np.ndarray, settings: PrepSettings, landmarks: np.ndarray, pose: np.ndarray, crop_to_source: np.ndarray
) -> dict[str, np.ndarray]:
    """What a clip holds of one usable frame besides its crop."""
    source_to_crop = inverted(crop_to_source)
    landmarks = transform(landmarks, source_to_crop).astype(np.float32)
    if settings.mask == STEADY:
        mask = geometry.steady_mask(geometry.compose(source_to_crop, pose), settings.size)
    else:
        mask = geometry.paper_mask(landmarks, settings.size)
    return {"landmarks": landmarks, "mask": mask, "face": geometry.face_image(crop, landmarks, settings.size)}


def _blank(size: int) -> dict[str, np.ndarray]:
    """The same of a frame that is not usable."""
    face = np.zeros((size, size, 3), np.uint8)
    return {"landmarks": np.zeros((COUNT, 2), np.float32), "mask": face[..., 0], "face": face}


def _writer(
    path: Path, info: VideoInfo, settings: PrepSettings, detector: Detector | None, history: list[dict] | None
) -> ClipWriter:
    name, digest = info.path.name, sha256_of(info.path)
    return ClipWriter(
        path,
        size=settings.size,
        face_size=settings.size,
        source=Source(name, str(info.path.resolve()), digest, info.width, info.height, info.frame_rate),
        detector={"name": detector.name, "version": detector.version} if detector else {"name": "own", "version": ""},
        settings=asdict(settings),
        history=history or [],
    )
