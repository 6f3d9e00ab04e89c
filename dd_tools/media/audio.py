"""Read and write audio as mono float samples, in blocks, so that hours of audio need little memory.

Sample 0 is the start of the container, that is, of its earliest stream. Times agree with those of
`dd_tools.media.video` for the same file; audio that starts later is preceded by silence.
"""

from collections.abc import Iterator
from pathlib import Path

import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.media.ffmpeg import Process, file_url
from dd_tools.media.header import read_media_header

SAMPLE_RATE = 16000  # Hz, the input rate of speech models
BLOCK_SECONDS = 30


def has_audio(path: str | Path) -> bool:
    """Whether a video or audio file has an audio track. Raises `DataError` for any other file."""
    return read_media_header(path).audio is not None


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Read a whole audio track, float32 (N,) mono in [−1, 1], resampled to `sample_rate` Hz.

    Raises `DataError` as `read_audio_blocks` does.
    """
    return np.concatenate(list(read_audio_blocks(path, sample_rate)))


def read_audio_blocks(
    path: str | Path, sample_rate: int = SAMPLE_RATE, block: int | None = None
) -> Iterator[np.ndarray]:
    """Read an audio track in blocks, float32 (N,) mono in [−1, 1], resampled to `sample_rate` Hz.

    block: samples per block; None for `BLOCK_SECONDS`. The last block may be shorter.

    Raises `DataError` if the file is no video or audio file, or has no audio track, or an empty one.
    """
    if read_media_header(path).audio is None:
        raise DataError(f"cannot read '{path}': no audio track")
    return _decode(path, sample_rate, block or BLOCK_SECONDS * sample_rate)


def _decode(path: str | Path, sample_rate: int, block: int) -> Iterator[np.ndarray]:
    # async=1 with first_pts=0 inserts silence where the track starts late or has gaps.
    # rematrix_maxval=1 mixes two channels to their mean, not to their sum over √2, which would exceed [−1, 1].
    filters = f"aresample={sample_rate}:async=1:first_pts=0:rematrix_maxval=1"
    output = ffmpeg.output(ffmpeg.input(file_url(path))["a:0"], "pipe:", format="f32le", ac=1, af=filters)
    empty = True
    with Process(output, stdout=True) as process:
        while data := process.stdout.read(4 * block):
            empty = False
            yield np.clip(np.frombuffer(data, "<f4"), -1, 1)
    if empty:
        reason = f" ({process.first_error})" if process.first_error else ""
        raise DataError(f"cannot read '{path}': its audio track has no samples{reason}")


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write samples, float (N,) or (N, channels) in [−1, 1], to an audio file, atomically. WAV has 16 bits per sample.

    path: the suffix names the format. sample_rate: Hz. Raises `DataError` for an unknown suffix and for a target that
    cannot be written.
    """
    import soundfile

    suffix = Path(path).suffix[1:].upper()
    if suffix not in soundfile.available_formats():
        raise DataError(f"cannot write '{path}': unknown suffix; use .wav, .flac or .ogg")
    with atomic_output(path) as temporary:
        soundfile.write(temporary, samples, sample_rate)
