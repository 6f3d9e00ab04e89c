"""Sound in and out: any file ffmpeg reads, as mono float samples, in blocks so that hours fit.

Sample 0 is the container's start, the earliest of its streams, so that times agree with `dd_tools.media.video` on the
same file: sound that starts later is preceded by silence.
"""

from collections.abc import Iterator
from pathlib import Path

import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.media.ffmpeg import Process, file_url
from dd_tools.media.header import read_header

SAMPLE_RATE = 16000  # Hz, what speech models hear
BLOCK_SECONDS = 30


def has_audio(path: str | Path) -> bool:
    """Whether a video or audio file has a sound track. Raises `DataError` for other files."""
    return read_header(path).audio is not None


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The whole sound track, float32 (N,) mono in [−1, 1] at `sample_rate` Hz. Errors as for `read_audio_blocks`."""
    return np.concatenate(list(read_audio_blocks(path, sample_rate)))


def read_audio_blocks(
    path: str | Path, sample_rate: int = SAMPLE_RATE, block: int | None = None
) -> Iterator[np.ndarray]:
    """The sound track in blocks, float32 (N,) mono in [−1, 1]: `block` samples each (half a minute), the last fewer.

    Raises `DataError` if there is no such file, it is no sound or video, it has no sound track, or the track is empty.
    """
    if read_header(path).audio is None:
        raise DataError(f"cannot read '{path}': no audio track")
    return _decode(path, sample_rate, block or BLOCK_SECONDS * sample_rate)


def _decode(path: str | Path, sample_rate: int, block: int) -> Iterator[np.ndarray]:
    # async=1 with first_pts=0 fills with silence where the track starts late or has a gap.
    # rematrix_maxval=1 keeps mixed channels within [−1, 1]: the mean of two, not their sum over √2.
    filters = f"aresample={sample_rate}:async=1:first_pts=0:rematrix_maxval=1"
    sound = ffmpeg.output(ffmpeg.input(file_url(path))["a:0"], "pipe:", format="f32le", ac=1, af=filters)
    empty = True
    with Process(sound, stdout=True) as process:
        while data := process.stdout.read(4 * block):
            empty = False
            yield np.clip(np.frombuffer(data, "<f4"), -1, 1)
    if empty:
        reason = f" ({process.complaint})" if process.complaint else ""
        raise DataError(f"cannot read '{path}': its audio track has no samples{reason}")


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write float samples (N,) or (N, channels) in [−1, 1] as a sound file; its suffix names the kind (WAV: 16 bit)."""
    import soundfile

    suffix = Path(path).suffix[1:].upper()
    if suffix not in soundfile.available_formats():
        raise DataError(f"cannot write '{path}': unknown suffix; use .wav, .flac or .ogg")
    with atomic_output(path) as temporary:
        soundfile.write(temporary, samples, sample_rate)
