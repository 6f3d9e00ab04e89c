"""What a video holds besides its video and its audio track: subtitles, chapters, attachments."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
from av.container import InputContainer

from dd_tools.media.opening import LIMITS, audio_stream, open_media, start_of, video_stream

_TEXT = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")
_SUBTITLES = {".mkv": "subrip", ".webm": "webvtt"}  # how a container stores text that it cannot hold as it is
_MP4_SUBTITLES = "mov_text"
_KEPT_IN_MKV = ("subrip", "ass", "ssa", "webvtt", "dvd_subtitle", "dvb_subtitle", "hdmv_pgs_subtitle")


@dataclass(frozen=True)
class Extras:
    """The extras of a file for one target.

    path: the file. start: of its container, in seconds.
    codecs: for every subtitle stream the codec to store it as, "copy" to copy it, None to leave it out.
    attachments: whether the target holds those of the file.
    lost: what is not copied, as "2 attachments"; empty if nothing is lost.
    """

    path: Path
    start: float
    codecs: tuple[str | None, ...]
    attachments: bool
    lost: str

    def streams(self, url: str) -> list[ffmpeg.nodes.FilterableStream]:
        """The streams of the file at `url` to map. The last may match nothing: it opens the file for its chapters."""
        source = ffmpeg.input(url, copyts=None, itsoffset=-self.start, **LIMITS)
        subtitles = [source[f"s:{number}"] for number, codec in enumerate(self.codecs) if codec]
        return [*subtitles, source["t?" if self.attachments else "t:99?"]]

    def options(self, input_number: int) -> dict[str, object]:
        """ffmpeg's output options. input_number: of the input that `streams` belong to."""
        kept = [codec for codec in self.codecs if codec]
        codecs = {f"c:s:{number}": codec for number, codec in enumerate(kept)}
        return codecs | {"map_chapters": input_number} | ({"c:t": "copy"} if self.attachments else {})


def find_extras(path: Path, target: Path) -> Extras:
    """The extras of the video `path` that the container of `target` can hold. Raises `DataError` for no video."""
    suffix = target.suffix.lower()
    with open_media(path) as container:
        names = [stream.codec_context.name if stream.codec_context else "" for stream in container.streams.subtitles]
        codecs = tuple(_stored_as(name, suffix) for name in names)
        lost = _lost(container, codecs, suffix)
        return Extras(path, start_of(container), codecs, suffix == ".mkv", lost)


def _stored_as(codec: str, suffix: str) -> str | None:
    if suffix == ".mkv" and codec in (*_KEPT_IN_MKV, "srt"):
        return "copy"
    return _SUBTITLES.get(suffix, _MP4_SUBTITLES) if codec in _TEXT else None


def _lost(container: InputContainer, codecs: tuple[str | None, ...], suffix: str) -> str:
    used = {video_stream(container), audio_stream(container)}
    kinds = Counter(stream.type for stream in container.streams if stream not in used and stream.type != "data")
    kinds["subtitle"] = codecs.count(None)
    if suffix == ".mkv":
        del kinds["attachment"]
    names = {"audio": "audio track", "video": "cover image", "subtitle": "subtitle track", "attachment": "attachment"}
    counts = [(kinds[kind], name) for kind, name in names.items() if kinds[kind]]
    return ", ".join(f"{count} {name}{'s' * (count > 1)}" for count, name in counts)
