"""Active speaker detection: the face whose lips move with the loudness of the audio."""

from pathlib import Path

import numpy as np

from dd_tools.face.landmarks import extent, lip_aperture
from dd_tools.face.tracking.face_tracks import FaceTrack
from dd_tools.media.audio import SAMPLE_RATE, read_audio_blocks

MIN_ACTIVITY = 0.5  # a face whose lips move less than this share of the most active ones is a listener's
TREND_SECONDS = 0.5  # window of the moving mean that is subtracted: slow changes do not show who speaks
ENERGY_RATE = 100  # Hz
ENERGY_WINDOW = 10  # energy samples that are averaged: 0.1 s


def speaking_tracks(tracks: list[FaceTrack], pts: np.ndarray, energy: np.ndarray | None) -> list[FaceTrack]:
    """For each shot, the track of the person who speaks.

    Of the faces whose lips move, that is the one whose lip aperture correlates best with the loudness. If two people
    both move their lips, this finds the speaker in two of three cases (measured on ten-second broadcast clips). A
    listener whose mouth rests is never chosen.

    pts: (T,) times of the video's frames in seconds. energy: from `audio_energy`; None without audio, for which the
    face whose lips move most is chosen.
    """
    shots = sorted({track.shot for track in tracks})
    return [_speaking_track([track for track in tracks if track.shot == shot], pts, energy) for shot in shots]


def _speaking_track(tracks: list[FaceTrack], pts: np.ndarray, energy: np.ndarray | None) -> FaceTrack:
    activity = np.array([_relative_aperture(track.landmarks).std() for track in tracks])
    if energy is None:
        return tracks[int(activity.argmax())]
    active = [track for track, value in zip(tracks, activity, strict=True) if value >= MIN_ACTIVITY * activity.max()]
    return max(active, key=lambda track: _correlation(track, pts, energy))


def _relative_aperture(landmarks: np.ndarray) -> np.ndarray:
    """Lip aperture (N,) in units of the face's size."""
    return lip_aperture(landmarks) / extent(landmarks)


def _correlation(track: FaceTrack, pts: np.ndarray, energy: np.ndarray) -> float:
    """Pearson's r of lip aperture and loudness, both without their trends."""
    times = pts[np.array(track.indices)]
    loudness = np.interp(times, (np.arange(len(energy)) + 0.5) / ENERGY_RATE, 10 * np.log10(energy + 1e-6))
    window = max(1, round(TREND_SECONDS * (len(times) - 1) / max(times[-1] - times[0], 1e-6)))
    aperture, loudness = (_without_trend(x, window) for x in (_relative_aperture(track.landmarks), loudness))
    scale = aperture.std() * loudness.std()
    return float(np.mean(aperture * loudness) / scale) if scale > 0 else 0.0


def _without_trend(values: np.ndarray, window: int) -> np.ndarray:
    """`values` (N,) minus their moving mean over `window` values."""
    ones = np.ones(window)
    return values - np.convolve(values, ones, "same") / np.convolve(np.ones_like(values), ones, "same")


def audio_energy(path: Path) -> np.ndarray:
    """Mean square (N,) of a file's audio at `ENERGY_RATE`, each over 0.1 s. Raises `DataError` if it has no audio."""
    step = SAMPLE_RATE // ENERGY_RATE
    blocks = read_audio_blocks(path)
    squares = [np.square(block[: len(block) // step * step]).reshape(-1, step).mean(1) for block in blocks]
    return np.convolve(np.concatenate(squares), np.full(ENERGY_WINDOW, 1 / ENERGY_WINDOW), "same")
