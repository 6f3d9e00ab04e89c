"""Join encoded video files, in order, with an audio track. The video is copied, not encoded again."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import ffmpeg

from dd_tools.errors import DataError
from dd_tools.media.containers import MATROSKA, container_options, ticks_per_second
from dd_tools.media.ffmpeg import Process, file_url
from dd_tools.media.header import read_media_header

_AUDIO_BITRATES = {"mono": "128k", "stereo": "192k"}  # bits per second; other layouts get _SURROUND_BITRATE
_SURROUND_BITRATE = "384k"


class AudioTrack:
    """The first audio track of a file. Its time 0 is the start of the container.

    path: a video or audio file. Raises `DataError` if it has no audio track.
    """

    def __init__(self, path: str | Path):
        self.path = path
        header = read_media_header(path)
        if header.audio is None:
            raise DataError(f"cannot read '{path}': no audio track")
        self._description = header.audio

    def stream(self, target: Path, seconds: float) -> tuple[ffmpeg.nodes.FilterableStream, dict[str, object]]:
        """The first `seconds` as a stream of ffmpeg-python, and the output options for `target`.

        Into MP4 and MOV, AAC is copied: it is cut between two AAC frames and not padded. Any other audio is encoded,
        with the sample rate and the channels of the source, and padded with silence at both ends if it is too short.
        """
        suffix = target.suffix.lower()
        if self._description.startswith("aac") and suffix not in MATROSKA:
            return ffmpeg.input(file_url(self.path), t=seconds)["a:0"], {"c:a": "copy"}
        layout = next((name for name in _AUDIO_BITRATES if f" {name}," in self._description), None)
        filters = f"aresample=async=1:first_pts=0,apad=whole_dur={seconds},atrim=end={seconds}"
        codec = "libopus" if suffix == ".webm" else "aac"
        options = {"c:a": codec, "b:a": _AUDIO_BITRATES.get(layout, _SURROUND_BITRATE), "af": filters}
        return ffmpeg.input(file_url(self.path))["a:0"], options


def join(
    parts: Sequence[tuple[Path, float]],
    target: Path,
    rate: Fraction,
    *,
    audio: AudioTrack | None = None,
    seconds: float = 0.0,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write the video of all `parts`, one after another, and the audio to `target`.

    parts: video files in one folder, each with its start time in `target` in seconds; inside a file times start at 0.
    rate: nominal frames per second.
    audio: the audio track, if any.
    seconds: duration of the audio.
    tags: metadata of the container.

    Raises `DataError` if ffmpeg fails.
    """
    with _video_input(parts) as (video, input_options):
        # ffmpeg starts every input at 0; itsoffset restores the start of the first part.
        streams = [ffmpeg.input(video, itsoffset=parts[0][1], **input_options)["v:0"]]
        options = {"c:v": "copy", **container_options(target, ticks_per_second(rate))}
        if audio:
            stream, audio_options = audio.stream(target, seconds)
            streams.append(stream)
            options |= audio_options
        metadata = {f"metadata:g:{index}": f"{key}={value}" for index, (key, value) in enumerate((tags or {}).items())}
        with Process(ffmpeg.output(*streams, file_url(target), **options, **metadata)) as process:
            process.finish_writing(target)


@contextlib.contextmanager
def _video_input(parts: Sequence[tuple[Path, float]]) -> Iterator[tuple[str, dict[str, object]]]:
    """ffmpeg's input for the parts, with its options: a single part itself, otherwise a list file in their folder."""
    if len(parts) == 1:
        yield file_url(parts[0][0]), {}
        return
    listing = parts[0][0].with_name("parts.ffconcat")
    try:
        listing.write_text(_concat_list(parts), "utf-8")
        yield file_url(listing), {"format": "concat", "safe": 0}
    finally:
        listing.unlink(missing_ok=True)


def _concat_list(parts: Sequence[tuple[Path, float]]) -> str:
    """The parts as a list for ffmpeg's concat demuxer."""
    lines = ["ffconcat version 1.0"]
    for (path, start), (_, following) in zip(parts, [*parts[1:], (None, None)], strict=True):
        lines.append(f"file {path.name}")
        if following is not None:
            # Times are rounded before they are subtracted, so rounding errors do not add up.
            lines.append(f"duration {round(following * 1e6) - round(start * 1e6)}us")
    return "\n".join(lines) + "\n"
