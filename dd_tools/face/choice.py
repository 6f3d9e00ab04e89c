"""Whose clip it becomes: choosers at first sight, the face that speaks, faces by number."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.face.company import FaceTrack
from dd_tools.face.landmarks import COUNT, extent, lip_aperture
from dd_tools.face.settings import CENTER, LARGEST, PROMINENT
from dd_tools.face.tracking import TRUST, Chooser
from dd_tools.media.audio import SAMPLE_RATE, read_audio_blocks

AROUND_FACE = 0.75  # a point this many face sizes from its middle is still at a face: on its hair, its chin
LIVELY = 0.5  # whose lips move less than this share of the liveliest's is a listener
SYLLABLES = 0.5  # seconds: slower changes of loudness and aperture do not tell who speaks
ENERGY_RATE = 100  # Hz


def most_prominent(faces: np.ndarray, picture: tuple[int, int]) -> int:
    """Index of the face that is largest and most central."""
    return int(np.argmax(extent(faces) * (1 - _from_centre(faces, picture))))


def largest(faces: np.ndarray, picture: tuple[int, int]) -> int:
    """Index of the largest face."""
    return int(np.argmax(extent(faces)))


def most_central(faces: np.ndarray, picture: tuple[int, int]) -> int:
    """Index of the face nearest to the picture's middle."""
    return int(np.argmin(_from_centre(faces, picture)))


def _from_centre(faces: np.ndarray, picture: tuple[int, int]) -> np.ndarray:
    height, width = picture
    return np.linalg.norm((faces.mean(1) + 0.5) / (width, height) - 0.5, axis=-1)


CHOOSERS: dict[str, Chooser] = {PROMINENT: most_prominent, LARGEST: largest, CENTER: most_central}


def at_point(x: float, y: float) -> Chooser:
    """The chooser of the face at a point of the picture, in pixels."""

    def choose(faces: np.ndarray, picture: tuple[int, int]) -> int | None:
        apart = np.linalg.norm(faces.mean(1) - (x, y), axis=-1) / extent(faces)
        return int(np.argmin(apart)) if apart.min() < AROUND_FACE else None

    return choose


def first_shot_only(landmarks: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Landmarks (T,68,2) without those of any but the first of the `shots` (T,) in which the face stays."""
    seen = np.isfinite(landmarks[:, 0, 0])
    counts = np.bincount(shots[seen], minlength=1)
    first = np.argmax(counts >= min(TRUST, counts.max()))
    return np.where((shots == first)[:, None, None], landmarks, np.float32(np.nan))


def by_numbers(tracks: list[FaceTrack], numbers: Sequence[int], path: Path) -> list[FaceTrack]:
    """The tracks of these numbers. Raises `DataError` where one is missing or two are seen at once."""
    unknown = [number for number in numbers if number >= len(tracks)]
    if unknown:
        raise DataError(f"no face {unknown[0]} in '{path}', which has {_numbered(tracks)}; see --list-faces")
    chosen = [tracks[number] for number in numbers]
    frames = np.concatenate([track.frames for track in chosen])
    if len(np.unique(frames)) < len(frames):
        raise DataError(f"faces {', '.join(map(str, numbers))} of '{path}' are seen at once: one clip is one speaker")
    return chosen


def _numbered(tracks: list[FaceTrack]) -> str:
    return f"0 to {len(tracks) - 1}" if len(tracks) > 1 else "only 0"


def speaking(tracks: list[FaceTrack], pts: np.ndarray, energy: np.ndarray | None) -> list[FaceTrack]:
    """In each shot the track whose lips move with the sound, of those that move; without sound, whose move the most.

    energy: of the sound, see `sound_energy`, or None. Of two who both move their lips it finds the speaker in two of
    three cases (ten-second broadcasts); a listener with a resting mouth is never taken.
    """
    shots = sorted({track.shot for track in tracks})
    return [_speaker([track for track in tracks if track.shot == shot], pts, energy) for shot in shots]


def _speaker(tracks: list[FaceTrack], pts: np.ndarray, energy: np.ndarray | None) -> FaceTrack:
    liveliness = np.array([_aperture(track.landmarks).std() for track in tracks])
    if energy is None:
        return tracks[int(liveliness.argmax())]
    lively = [track for track, value in zip(tracks, liveliness, strict=True) if value >= LIVELY * liveliness.max()]
    return max(lively, key=lambda track: _correlation(track, pts, energy))


def _aperture(landmarks: np.ndarray) -> np.ndarray:
    """Distance of the inner lips (N,) in units of the face's size."""
    return lip_aperture(landmarks) / extent(landmarks)


def _correlation(track: FaceTrack, pts: np.ndarray, energy: np.ndarray) -> float:
    """Pearson's r of lip aperture and loudness, both without their slow changes."""
    times = pts[np.array(track.frames)]
    loudness = np.interp(times, (np.arange(len(energy)) + 0.5) / ENERGY_RATE, 10 * np.log10(energy + 1e-6))
    window = max(1, round(SYLLABLES * (len(times) - 1) / max(times[-1] - times[0], 1e-6)))
    quick = [_without_mean(values, window) for values in (_aperture(track.landmarks), loudness)]
    spread = np.prod([values.std() for values in quick])
    return float(np.mean(quick[0] * quick[1]) / spread) if spread > 0 else 0.0


def _without_mean(values: np.ndarray, window: int) -> np.ndarray:
    """`values` (N,) less their moving mean over `window` of them."""
    ones = np.ones(window)
    return values - np.convolve(values, ones, "same") / np.convolve(np.ones_like(values), ones, "same")


def sound_energy(path: Path) -> np.ndarray:
    """Mean square (N,) of the sound in every hundredth of a second, over a tenth. Errors as of `read_audio_blocks`."""
    step = SAMPLE_RATE // ENERGY_RATE
    blocks = read_audio_blocks(path)
    squares = [np.square(block[: len(block) // step * step]).reshape(-1, step).mean(1) for block in blocks]
    return np.convolve(np.concatenate(squares), np.full(10, 0.1), "same")


def as_speaker(tracks: list[FaceTrack], frames: int) -> np.ndarray:
    """The landmarks of tracks that are one speaker's: float32 (T,68,2) for all `frames`, NaN where they are not."""
    landmarks = np.full((frames, COUNT, 2), np.nan, np.float32)
    for track in tracks:
        landmarks[np.array(track.frames)] = track.landmarks
    return landmarks
