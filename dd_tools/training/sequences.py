"""Training data of stage 2: latents and speech features of the same clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.arrays import LATENT_RATE, SPEECH_RATE, read_latents, read_speech

MAX_DIFFERENCE = 5  # latents (0.2 s): largest difference in length between the video and audio of a clip


@dataclass(frozen=True)
class ClipSequences:
    """Latents and speech features of one clip, of equal duration.

    name: of the clip.
    latents: float32 (T, Z), 25 per second.
    speech: float16 (L, 2 T, D), 50 per second.
    """

    name: str
    latents: np.ndarray
    speech: np.ndarray

    @property
    def sizes(self) -> tuple[int, int, int]:
        """L, D and Z."""
        return self.speech.shape[0], self.speech.shape[2], self.latents.shape[1]


def read_clip_sequences(latents: Path, speech: Path, delay: int = 0) -> ClipSequences:
    """Read the two files of one clip and cut both to the shorter one.

    delay: of the video against the audio, in latents; it is removed. Raises `DataError` if the lengths of the files
    differ by more than `MAX_DIFFERENCE`, or less than two latents remain.
    """
    motion, features = read_latents(latents), read_speech(speech)
    if abs(len(motion) - features.shape[1] / 2) > MAX_DIFFERENCE:
        raise DataError(
            f"'{latents}' lasts {len(motion) / LATENT_RATE:.2f} s and '{speech}' "
            f"{features.shape[1] / SPEECH_RATE:.2f} s: not the same clip"
        )
    motion, features = motion[max(delay, 0) :], features[:, 2 * max(-delay, 0) :]
    length = min(len(motion), features.shape[1] // 2)
    if length < 2:
        raise DataError(f"'{latents}' is too short to train on: {length} latents, expected 2 or more")
    return ClipSequences(latents.stem, motion[:length], features[:, : 2 * length])


def read_all_sequences(
    latents: Sequence[Path], speech: Path, delays: Mapping[str, int] | None = None
) -> list[ClipSequences]:
    """Read every file of `latents` with the file of the same name in the folder `speech`.

    delays: clip name to the delay of `read_clip_sequences`. Raises `DataError` that names all missing files.
    """
    missing = [path.stem for path in latents if not (speech / path.name).is_file()]
    if missing:
        raise DataError(
            f"no speech features in '{speech}' for {len(missing)} of {len(latents)} latents: {', '.join(missing)}"
        )
    return [read_clip_sequences(path, speech / path.name, (delays or {}).get(path.stem, 0)) for path in latents]


def check_sizes(clips: Sequence[ClipSequences], expected: tuple[int, int, int]) -> None:
    """Raise `DataError` unless all clips have the `expected` L, D and Z."""
    for clip in clips:
        if clip.sizes != expected:
            raise DataError(f"clip '{clip.name}' has {_format(clip.sizes)}, the model takes {_format(expected)}")


def _format(sizes: tuple[int, int, int]) -> str:
    return "{} layers of {} speech features and latents of {}".format(*sizes)
