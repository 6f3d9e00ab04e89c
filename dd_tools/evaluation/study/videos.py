"""The videos of a study: what a plan's files are, and copies of them that browsers play and that tell nothing more.

Every browser plays H.264 with 8 bits and 4:2:0 and AAC in MP4. Such video is copied, other video is encoded again.
Audio is always encoded, in one way, and ends with its video: encoders, rates and durations would mark systems.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.history import sha256_of
from dd_tools.media.codecs import Encoding
from dd_tools.media.colour import is_rgb
from dd_tools.media.ffmpeg import Process
from dd_tools.media.opening import LIMITS, audio_stream, open_media, start_of, utf8_urls, video_stream
from dd_tools.media.probe import VideoInfo, probe

SHIFT = 6  # frames by which the audio of an anchor comes early
_COPIED = ("yuv420p", "yuvj420p")  # pixel formats of H.264
_QUALITY = 12  # constant rate factor: raters should not see that a video was encoded again
_AUDIO_RATE = 48_000
_AUDIO = {"c:a": "aac", "b:a": "256k", "ar": _AUDIO_RATE, "ac": 2}
_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # as 4:2:0 needs
_DUPLICATED = "pan=stereo|c0=c0|c1=c0"  # of one channel, which ffmpeg would otherwise make quieter
# No tags, chapters and messages of encoders; one name of the encoder, as ffmpeg adds its own; the index in front.
_ANONYMOUS = {
    "map_metadata": -1,
    "map_chapters": -1,
    "metadata:s:v": "encoder=video",
    "fflags": "+bitexact",
    "flags:v": "+bitexact",
    "flags:a": "+bitexact",
    "bsf:v": "filter_units=remove_types=6",
    "movflags": "+faststart",
    "video_track_timescale": 90_000,
}
# The same bytes on every run, as x264 depends on the number of its threads; and times that are not rounded to frames.
_ENCODER = {"threads:v": 1, "enc_time_base:v": "1/90000", "fps_mode": "passthrough"}


@dataclass(frozen=True)
class Source:
    """A video of a plan. info: see `probe`. seconds: of its video. digest: of its content.

    end: when the video ends, in seconds after the start of the file. channels: of the audio. video_index, audio_index:
    of the streams in the file.
    """

    info: VideoInfo
    seconds: float
    end: float
    channels: int
    video_index: int
    audio_index: int
    digest: str

    @property
    def frame_seconds(self) -> float:
        """Duration of a frame."""
        return 1 / self.info.frame_rate

    @property
    def is_copied(self) -> bool:
        """Whether the video is stored as it is; otherwise it is encoded again."""
        return self.info.codec == "h264" and self.info.pixel_format in _COPIED

    def video_options(self) -> dict[str, object]:
        """ffmpeg's output options for the video."""
        if self.is_copied:
            return {"c:v": "copy"}
        if is_rgb(self.info.pixel_format):
            return _rgb_options()
        # First the finest chroma, as the filter rounds down where it is coarser.
        filters = f"format=yuv444p,{_EVEN},format=yuv420p"
        return {"c:v": "libx264", "crf": _QUALITY, "vf": filters} | _ENCODER

    def audio_options(self, shift: float = 0) -> dict[str, object]:
        """ffmpeg's output options for audio that ends with the video. shift: seconds that it comes early."""
        channels = f",{_DUPLICATED}" * (self.channels == 1)
        cut = f"apad,atrim=start={shift:.6f}:end={shift + self.end:.6f},asetpts=PTS-STARTPTS"
        return _AUDIO | {"af": f"aresample=async=1:first_pts=0{channels},{cut}"}


def inspect(path: Path) -> Source:
    """Describe a video with audio. Raises `DataError` for any other file, also for a still image."""
    info = probe(path)
    if info.is_still:
        raise DataError(f"cannot read '{path}': an image, not a video")
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        if audio is None:
            raise DataError(f"cannot use '{path}': no audio track")
        origin, channels, places = start_of(container), audio.codec_context.channels, (video.index, audio.index)
    start, end = _span(path, places[0], 1 / info.frame_rate)
    return Source(info, end - start, end - origin, channels, *places, sha256_of(path))


def _span(path: Path, index: int, usual: float = 0.0) -> tuple[float, float]:
    """When a stream begins and ends in seconds, by its packets: live encoders leave durations out of headers.

    index: of the stream. usual: duration of a packet that does not say it.
    """
    times = []
    with open_media(path) as container, contextlib.suppress(av.error.FFmpegError):  # as at the end of a damaged file
        stream = container.streams[index]
        tick = float(stream.time_base)
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                times.append((packet.dts if packet.pts is None else packet.pts, packet.duration or 0))
    if any(time is None for time, _ in times):  # raw H.264
        return 0.0, len(times) * usual
    start = min((time * tick for time, _ in times), default=0.0)
    return start, max((time * tick + (duration * tick or usual) for time, duration in times), default=0.0)


def store(source: Source, target: Path) -> float:
    """Write the video and its audio to the MP4 `target`. Returns the seconds of the stored video.

    Raises `DataError` if ffmpeg fails, or if it finds no video or no audio.
    """
    return _write(source, target, source.audio_options())


def store_anchor(source: Source, target: Path) -> float:
    """As `store`, with audio that comes `SHIFT` frames early and ends in silence."""
    return _write(source, target, source.audio_options(SHIFT * source.frame_seconds))


def store_still(image: np.ndarray, seconds: float, rate: int, target: Path) -> float:
    """Write a video of one frame, (H, W, 3) uint8 RGB, with silence, as `store` does. rate: frames per second."""
    height, width, _ = image.shape
    frame = ffmpeg.input("pipe:", format="rawvideo", pixel_format="rgb24", s=f"{width}x{height}", r=rate)
    silence = ffmpeg.input(f"anullsrc=r={_AUDIO_RATE}:cl=stereo", format="lavfi", t=seconds)
    options = _rgb_options()
    options["vf"] = f"loop={round(seconds * rate) - 1}:1,{options['vf']}"
    return _encode((frame["0"], silence["0"]), options | _AUDIO, target, image.tobytes())


def _rgb_options() -> dict[str, object]:
    options = Encoding(quality=_QUALITY).options()
    return options | {"vf": f"{_EVEN},{options['vf']}"} | _ENCODER


def _write(source: Source, target: Path, audio: Mapping[str, object]) -> float:
    path = source.info.path
    with utf8_urls([path]) as urls:
        file = ffmpeg.input(urls[path], **LIMITS)
        streams = file[str(source.video_index)], file[str(source.audio_index)]
        return _encode(streams, source.video_options() | audio, target)


def _encode(
    streams: tuple[ffmpeg.Stream, ffmpeg.Stream], options: Mapping[str, object], target: Path, content: bytes = b""
) -> float:
    """Write video and audio to `target`. content: for ffmpeg's standard input. Returns the seconds of the video."""
    with atomic_output(target) as temporary:
        output = ffmpeg.output(*streams, f"file:{temporary}", **_ANONYMOUS, **options)
        with Process(output, stdin=bool(content)) as process:
            if content:
                with contextlib.suppress(OSError):  # a broken pipe, of which ffmpeg's error tells more
                    process.stdin.write(content)
            process.finish_writing(target)
        return _stored_seconds(temporary)


def _stored_seconds(path: Path) -> float:
    """The seconds of the video that `_encode` has written. Raises `DataError` if it or its audio is empty."""
    video, audio = (end - start for start, end in (_span(path, 0), _span(path, 1)))
    if not (video and audio):
        raise DataError(f"cannot write '{path}': no {'audio' if video else 'video'} could be decoded")
    return video
