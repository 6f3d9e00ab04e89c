"""Join encoded video files, in order, with an audio track. The video is copied, not encoded again."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import ffmpeg

from dd_tools.media.channels import check_channel, mono_mix
from dd_tools.media.containers import MATROSKA, container_options, ticks_per_second
from dd_tools.media.extras import Extras
from dd_tools.media.ffmpeg import Process
from dd_tools.media.opening import LIMITS, audio_stream, file_url, open_media, start_of, utf8_urls

_BITRATES = {1: "128k", 2: "192k"}  # bits per second for that many channels; more get _SURROUND_BITRATE
_SURROUND_BITRATE = "384k"
# Channel layouts that the encoders have a name for. Others are mixed to the closest.
_LAYOUTS = {"aac": "mono|stereo|3.0|4.0|5.0|5.1", "libopus": "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"}


class AudioTrack:
    """The first audio track of a file. Its time 0 is the start of the container.

    path: a video or audio file. channel: see `dd_tools.media.audio.read_audio_blocks`. Raises `DataError` as that does.
    """

    def __init__(self, path: str | Path, channel: int | None = None):
        self.path = Path(path)
        check_channel(path, channel)
        with open_media(path) as container:
            stream = audio_stream(container)
            context = stream.codec_context
            self._number = stream.index
            self._codec, self._channels = context.codec.canonical_name, context.layout.nb_channels
            self._mix = mono_mix(context.layout.name, self._channels, channel)
            self._start = start_of(container)

    def stream(self, url: str, target: Path, seconds: float) -> tuple[ffmpeg.nodes.FilterableStream, dict[str, object]]:
        """The first `seconds` as a stream of ffmpeg-python, and the output options for `target`. url: of the file.

        Into MP4 and MOV, AAC is copied: it is cut between two AAC frames and not padded. Any other audio is encoded,
        with the sample rate and the channels of the source, and padded with silence at both ends if it is too short.
        """
        # ffmpeg counts from the start of the streams that it reads; copyts and itsoffset count from the container's.
        stream = ffmpeg.input(url, copyts=None, itsoffset=-self._start, **LIMITS)[str(self._number)]
        if self._codec == "aac" and not self._mix and target.suffix.lower() not in MATROSKA:
            return stream, {"c:a": "copy", "t": seconds}
        codec = "libopus" if target.suffix.lower() == ".webm" else "aac"
        filters = ",".join([
            *(f"{name}={arguments}" for name, arguments in self._mix),
            "aresample=async=1:first_pts=0",
            f"aformat=channel_layouts={_LAYOUTS[codec]}",
            f"apad=whole_dur={seconds}",
            f"atrim=end={seconds}",
        ])  # fmt: skip
        bitrate = _BITRATES.get(1 if self._mix else self._channels, _SURROUND_BITRATE)
        return stream, {"c:a": codec, "b:a": bitrate, "af": filters}


def join(
    parts: Sequence[tuple[Path, float]],
    target: Path,
    rate: Fraction,
    *,
    audio: AudioTrack | None = None,
    seconds: float = 0.0,
    tags: Mapping[str, str] | None = None,
    extras: Extras | None = None,
) -> None:
    """Write the video of all `parts`, one after another, the audio and the extras to `target`.

    parts: video files in one folder, each with its start time in `target` in seconds; inside a file times start at 0.
    rate: nominal frames per second.
    audio: the audio track, if any.
    seconds: duration of the audio and the extras.
    tags: metadata of the container.
    extras: subtitles, chapters and attachments, if any.

    Raises `DataError` if ffmpeg fails.
    """
    others = (one.path for one in (audio, extras) if one)
    with _video_input(parts) as (video, input_options), utf8_urls(others) as urls:
        # ffmpeg starts every input at 0; itsoffset restores the start of the first part.
        streams = [ffmpeg.input(video, itsoffset=parts[0][1], **input_options)["v:0"]]
        options = {"c:v": "copy", **container_options(target, ticks_per_second(rate))}
        if audio:
            stream, audio_options = audio.stream(urls[audio.path], target, seconds)
            streams.append(stream)
            options |= audio_options
        if extras:
            streams += extras.streams(urls[extras.path])
            # ffmpeg-python opens a file once if it gives the audio too.
            inputs = list(dict.fromkeys(stream.node for stream in streams))
            options |= extras.options(inputs.index(streams[-1].node)) | {"t": seconds}
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
    """The parts as a list for ffmpeg's concat demuxer, which takes relative names for parts of a URL."""
    lines = ["ffconcat version 1.0"]
    for (path, start), (_, following) in zip(parts, [*parts[1:], (None, None)], strict=True):
        url = file_url(path.absolute()).replace("'", "'\\''")
        lines.append(f"file '{url}'")
        if following is not None:
            # Times are rounded before they are subtracted, so rounding errors do not add up.
            lines.append(f"duration {round(following * 1e6) - round(start * 1e6)}us")
    return "\n".join(lines) + "\n"
