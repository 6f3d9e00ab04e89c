"""Read and write audio as mono float samples, in blocks, so that hours of audio need little memory.

Sample 0 is the start of the container, that is, of its earliest stream. Times agree with those of
`dd_tools.media.video` for the same file; audio that starts later is preceded by silence.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.media.channels import check_channel, mono_mix
from dd_tools.media.decoding import StreamDecoder
from dd_tools.media.filters import Chain, FilterChain
from dd_tools.media.images import is_image
from dd_tools.media.opening import audio_stream, check_input, open_media

SAMPLE_RATE = 16000  # Hz, the input rate of speech models
BLOCK_SECONDS = 30


def has_audio(path: str | Path) -> bool:
    """Whether a video or audio file has an audio track. Raises `DataError` for any other file."""
    check_input(path)
    if is_image(path):
        return False
    with open_media(path) as container:
        return audio_stream(container) is not None


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE, channel: int | None = None) -> np.ndarray:
    """Read a whole audio track, float32 (N,) mono in [−1, 1], resampled to `sample_rate` Hz.

    channel: see `read_audio_blocks`, which raises the same errors.
    """
    return np.concatenate(list(read_audio_blocks(path, sample_rate, channel=channel)))


def read_audio_blocks(
    path: str | Path,
    sample_rate: int = SAMPLE_RATE,
    block: int | None = None,
    *,
    channel: int | None = None,
    on_damage: Callable[[str], None] | None = None,
) -> Iterator[np.ndarray]:
    """Read an audio track in blocks, float32 (N,) mono in [−1, 1], resampled to `sample_rate` Hz.

    block: samples per block; None for `BLOCK_SECONDS`. The last block may be shorter.
    channel: the number of the only channel to read, from 1; None for a mix of all.
    on_damage: called once after the last block if part of the track could not be decoded, with a one-line message.

    Raises `DataError` if the file is no video or audio file, or has no audio track, an empty one, or no such channel.
    """
    check_channel(path, channel)
    return _in_blocks(_decode(path, sample_rate, channel, on_damage), block or BLOCK_SECONDS * sample_rate)


def _in_blocks(pieces: Iterator[np.ndarray], block: int) -> Iterator[np.ndarray]:
    """The same samples in blocks of `block`, the last one shorter."""
    waiting: list[np.ndarray] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count >= block:
            samples = np.concatenate(waiting)
            whole = count // block * block
            yield from samples[:whole].reshape(-1, block)
            waiting, count = [samples[whole:]], count - whole
    if count:
        yield np.concatenate(waiting)


def _decode(
    path: str | Path, sample_rate: int, channel: int | None, on_damage: Callable[[str], None] | None
) -> Iterator[np.ndarray]:
    chain = FilterChain(path, lambda frame: _filters(frame, sample_rate, channel))
    empty = True
    with open_media(path) as container:
        decoder = StreamDecoder(container, audio_stream(container))
        for frame in decoder:
            for part in chain.filter(frame):
                empty = False
                yield _samples(part)
        for part in chain.filter(None):
            empty = False
            yield _samples(part)
        damage = decoder.damage
    if empty:
        reason = f" ({damage})" if damage else ""
        raise DataError(f"cannot read '{path}': its audio track has no samples{reason}")
    if on_damage and damage:
        on_damage(f"'{path}' is damaged: {damage}; the rest of its audio is used")


def _samples(frame: AudioFrame) -> np.ndarray:
    return np.clip(frame.to_ndarray()[0], -1, 1)


def _filters(frame: AudioFrame, sample_rate: int, channel: int | None) -> Chain:
    # async=1 with first_pts=0 inserts silence where the track starts late or has gaps.
    # rematrix_maxval=1 mixes two channels to their mean, not to their sum over √2, which would exceed [−1, 1].
    resample = ("aresample", f"{sample_rate}:async=1:first_pts=0:rematrix_maxval=1")
    return [
        *mono_mix(frame.layout.name, frame.layout.nb_channels, channel),
        resample,
        ("aformat", "sample_fmts=flt:channel_layouts=mono"),
    ]


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
