"""Encoded pictures, in one part or several, and a sound track become one file; the pictures are copied."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import ffmpeg

from dd_tools.errors import DataError
from dd_tools.media.codecs import check_container
from dd_tools.media.ffmpeg import Process, file_url
from dd_tools.media.header import Header, read_header

CLOCK = 90_000  # ticks a second, at least: an error of 6 µs at most
_AUDIO_BITS = {"mono": "128k", "stereo": "192k"}  # bits a second; other layouts get _SURROUND_BITS
_SURROUND_BITS = "384k"


class Sound:
    """The first sound track of a file, from its container's start at time 0. Raises `DataError` if there is none."""

    def __init__(self, path: str | Path):
        self.path = path
        header: Header = read_header(path)
        if header.audio is None:
            raise DataError(f"cannot read '{path}': no audio track")
        self._kind = header.audio

    def stream(self, target: Path, seconds: float) -> tuple[ffmpeg.nodes.FilterableStream, dict[str, object]]:
        """`seconds` of it as an input for `target`, and its options: AAC is copied into MP4 and MOV, which leaves it
        neither padded nor cut within an AAC frame; anything else is encoded at its own sample rate and channels.
        """
        suffix = target.suffix.lower()
        if self._kind.startswith("aac") and suffix not in (".mkv", ".webm"):
            return ffmpeg.input(file_url(self.path), t=seconds)["a:0"], {"c:a": "copy"}
        layout = next((name for name in _AUDIO_BITS if f" {name}," in self._kind), None)
        # Silence before a track that starts late, and after one that ends early.
        length = f"aresample=async=1:first_pts=0,apad=whole_dur={seconds},atrim=end={seconds}"
        codec = "libopus" if suffix == ".webm" else "aac"
        options = {"c:a": codec, "b:a": _AUDIO_BITS.get(layout, _SURROUND_BITS), "af": length}
        return ffmpeg.input(file_url(self.path))["a:0"], options


def join(
    parts: Sequence[tuple[Path, float]],
    target: Path,
    rate: Fraction,
    *,
    sound: Sound | None = None,
    seconds: float = 0.0,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write the pictures of `parts`, (file, when it starts in seconds) each in order, to `target` with their sound.

    A part begins at time 0 in its own file. rate: frames a second, nominal. seconds: length of the sound. tags: for the
    container's metadata. Raises `DataError` for what makes ffmpeg fail.
    """
    with _one_input(parts) as (pictures, options):
        # The offset undoes ffmpeg's habit of starting every input at 0.
        streams = [ffmpeg.input(pictures, itsoffset=parts[0][1], **options)["v:0"]]
        options = {"c:v": "copy", **container_options(target, clock_of(rate))}
        if sound:
            track, more = sound.stream(target, seconds)
            streams.append(track)
            options |= more
        marks = {f"metadata:g:{index}": f"{key}={value}" for index, (key, value) in enumerate((tags or {}).items())}
        with Process(ffmpeg.output(*streams, file_url(target), **options, **marks)) as process:
            check(process, target)


@contextlib.contextmanager
def _one_input(parts: Sequence[tuple[Path, float]]) -> Iterator[tuple[str, dict[str, object]]]:
    """What ffmpeg reads the parts from, and its options: the one part itself, or a list beside the first."""
    if len(parts) == 1:
        yield file_url(parts[0][0]), {}
        return
    lines = ["ffconcat version 1.0"]
    for (path, start), (_, following) in zip(parts, [*parts[1:], (None, None)], strict=True):
        lines.append(f"file {path.name}")
        if following is not None:
            # To the microsecond, and so that the roundings do not add up.
            lines.append(f"duration {round(following * 1e6) - round(start * 1e6)}us")
    listing = parts[0][0].with_name("parts.ffconcat")
    try:
        listing.write_text("\n".join(lines) + "\n")
        yield file_url(listing), {"format": "concat", "safe": 0}
    finally:
        listing.unlink(missing_ok=True)


def container_options(path: Path, clock: int) -> dict[str, object]:
    """ffmpeg's options for the container: times in ticks of `clock` a second, where it is not Matroska."""
    if check_container(path) in (".mkv", ".webm"):
        return {}
    # +faststart puts the index first, so that a browser can play before it has the whole file.
    return {"movflags": "+faststart+use_metadata_tags", "video_track_timescale": clock, "movie_timescale": clock}


def clock_of(rate: Fraction) -> int:
    """Ticks a second: a multiple of the rate's numerator, so that its frame times are exact, and at least `CLOCK`."""
    return rate.numerator * -(-CLOCK // rate.numerator)


def check(process: Process, target: Path) -> None:
    """Wait for ffmpeg. Raises `DataError` about `target` unless it ended well."""
    status = process.wait()
    if status != 0:
        raise DataError(f"cannot write '{target}': ffmpeg: {process.complaint or f'ended with status {status}'}")
