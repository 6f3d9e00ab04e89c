"""Which channels of an audio track are heard."""

from pathlib import Path

from dd_tools.errors import DataError
from dd_tools.media.filters import Chain
from dd_tools.media.images import is_image
from dd_tools.media.opening import audio_stream, check_input, open_media


def check_channel(path: str | Path, channel: int | None) -> None:
    """Raise `DataError` unless the file has an audio track with a channel of this number, from 1; None is any."""
    check_input(path)
    if is_image(path):
        raise DataError(f"cannot read '{path}': no audio track")
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            found = "the codec of its audio is unknown" if container.streams.audio else "no audio track"
            raise DataError(f"cannot read '{path}': {found}")
        count = stream.codec_context.layout.nb_channels
        if channel is not None and not 1 <= channel <= count:
            raise DataError(f"cannot read channel {channel} of '{path}': it has {count}")


def mono_mix(layout: str, count: int, channel: int | None) -> Chain:
    """The filters from `count` channels to one, where the usual mix of their layout is not right.

    layout: FFmpeg's name, such as "5.1". channel: number of the only channel to hear, from 1. Recorders write one track
    per microphone, without a layout. FFmpeg would take the fourth of six for a subwoofer and drop it; such tracks are
    averaged.
    """
    if channel is not None:
        return [("pan", f"mono|c0=c{channel - 1}")]
    if layout.endswith(" channels") and count > 2:
        return [("pan", "mono|c0=" + "+".join(f"{1 / count:.9f}*c{number}" for number in range(count)))]
    return []
