"""The videos of a study: what a plan's files are, and copies of them that browsers play and that tell nothing more.

Browsers play H.264 with 8 bits and 4:2:0, VP9 and AV1, with AAC, MP3 or Opus, in MP4. Such streams are copied; others
are encoded again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import ffmpeg

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.history import sha256_of
from dd_tools.media.codecs import Encoding
from dd_tools.media.colour import is_rgb
from dd_tools.media.ffmpeg import Process
from dd_tools.media.opening import LIMITS, audio_stream, open_media, utf8_urls, video_stream
from dd_tools.media.probe import VideoInfo, probe

SHIFT = 6  # frames by which the audio of an anchor comes early
_PLAYED = {"h264": ("yuv420p", "yuvj420p"), "vp9": ("yuv420p",), "av1": ("yuv420p", "yuv420p10le")}
_HEARD = ("aac", "mp3", "opus")
_QUALITY = 12  # constant rate factor: raters should not see that a video was encoded again
_AUDIO = {"c:a": "aac", "b:a": "256k"}
_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # as 4:2:0 needs
# No tags, chapters or names of programs, and the same bytes on every run; the index in front.
_ANONYMOUS = {
    "map_metadata": -1,
    "map_chapters": -1,
    "fflags": "+bitexact",
    "flags:v": "+bitexact",
    "flags:a": "+bitexact",
    "movflags": "+faststart",
}


@dataclass(frozen=True)
class Source:
    """A video of a plan. info: see `probe`. seconds: of its video. audio: codec of its audio. digest: of its content.

    video_index, audio_index: of the streams in the file.
    """

    info: VideoInfo
    seconds: float
    audio: str
    video_index: int
    audio_index: int
    digest: str

    @property
    def frame_seconds(self) -> float:
        """Duration of a frame."""
        return 1 / self.info.frame_rate

    @property
    def encoded_again(self) -> str | None:
        """What must be encoded again so that browsers play it, in words; None if nothing."""
        video, audio = f"{self.info.codec} {self.info.pixel_format}", self.audio
        parts = [video] * (not self._plays) + [audio] * (audio not in _HEARD)
        return " and ".join(parts) or None

    @property
    def _plays(self) -> bool:
        return self.info.pixel_format in _PLAYED.get(self.info.codec, ())

    def video_options(self) -> dict[str, object]:
        """ffmpeg's output options for the video: copied without the messages of its encoder, or encoded as H.264."""
        if self._plays:
            is_h264 = self.info.codec == "h264"
            return {"c:v": "copy"} | ({"bsf:v": "filter_units=remove_types=6"} if is_h264 else {})
        if is_rgb(self.info.pixel_format):
            options = Encoding(quality=_QUALITY).options()
            return options | {"vf": f"{_EVEN},{options['vf']}", "fps_mode": "passthrough"}
        # First the finest chroma, as the filter rounds down where it is coarser.
        filters = f"format=yuv444p,{_EVEN},format=yuv420p"
        return {"c:v": "libx264", "crf": _QUALITY, "vf": filters, "fps_mode": "passthrough"}


def inspect(path: Path) -> Source:
    """Describe a video with audio. Raises `DataError` for any other file, also for a still image."""
    info = probe(path)
    if info.is_still:
        raise DataError(f"cannot read '{path}': an image, not a video")
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        if audio is None:
            raise DataError(f"cannot use '{path}': no audio track")
        seconds = (
            float(video.duration * video.time_base) if video.duration else (container.duration or 0) / av.time_base
        )
        codec = audio.codec_context.codec.canonical_name
        return Source(info, seconds, codec, video.index, audio.index, sha256_of(path))


def store(source: Source, target: Path) -> None:
    """Write the video and its audio to the MP4 `target`. Raises `DataError` if ffmpeg fails."""
    audio = {"c:a": "copy"} if source.audio in _HEARD else _AUDIO
    _write(source, target, source.video_options() | audio)


def store_anchor(source: Source, target: Path) -> None:
    """As `store`, with audio that comes `SHIFT` frames early and ends in silence."""
    shift = SHIFT * source.frame_seconds
    filters = f"aresample=async=1:first_pts=0,atrim=start={shift},asetpts=PTS-STARTPTS,apad=whole_dur={source.seconds}"
    _write(source, target, source.video_options() | _AUDIO | {"af": filters, "t": source.seconds})


def _write(source: Source, target: Path, options: Mapping[str, object]) -> None:
    path = source.info.path
    with atomic_output(target) as temporary, utf8_urls([path]) as urls:
        file = ffmpeg.input(urls[path], **LIMITS)
        streams = file[str(source.video_index)], file[str(source.audio_index)]
        with Process(ffmpeg.output(*streams, f"file:{temporary}", **_ANONYMOUS, **options)) as process:
            process.finish_writing(target)
