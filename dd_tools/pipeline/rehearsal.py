"""A rehearsal: one black frame is encoded and joined with the real audio, before hours of work.

So whatever the container or an encoder does not take is known at once.
"""

import tempfile
from pathlib import Path

import numpy as np

from dd_tools.errors import DataError
from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.media.extras import Extras
from dd_tools.media.joining import AudioTrack, join
from dd_tools.media.rates import exact_rate

RATE = 25.0  # frames per second
SECONDS = 0.1  # of audio


def rehearse(
    output: Path, encoding: Encoding, size: tuple[int, int], audio: AudioTrack | None, extras: Extras | None
) -> None:
    """Raise `DataError` unless ffmpeg can write such an output. size: width, height."""
    width, height = size
    with tempfile.TemporaryDirectory(prefix="dd-") as folder:
        part, joined = Path(folder, "part.mp4"), Path(folder, f"rehearsal{output.suffix}")
        try:
            with VideoWriter(part, width, height, RATE, encoding) as writer:
                writer.write(np.zeros((height, width, 3), np.uint8), 0)
            join([(part, 0.0)], joined, exact_rate(RATE), audio=audio, seconds=SECONDS, extras=extras)
        except DataError as error:
            reason = str(error).partition("': ")[2]
            raise DataError(f"cannot write '{output}': {reason}") from error
