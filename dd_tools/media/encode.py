"""Video out: RGB frames with their times to H.264, with sound from a file, in one atomic write."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.media import matroska
from dd_tools.media.colour import Colour
from dd_tools.media.ffmpeg import Process, file_url
from dd_tools.media.header import Header, read_header
from dd_tools.media.rates import exact_rate

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv")
QUALITY = 18  # x264's constant rate factor: 0 to 51, smaller is better; 18 is hard to tell from the source

_CLOCK = 90_000  # ticks a second, at least: an error of 6 µs at most
_AUDIO_BITS = {"mono": "128k", "stereo": "192k"}  # AAC bits a second; other layouts get _SURROUND_BITS
_SURROUND_BITS = "384k"


def check_container(path: Path) -> None:
    """Raise `DataError` unless the suffix of `path` names a container that can be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"cannot write '{path}': unknown suffix '{path.suffix}'; use one of {' '.join(SUFFIXES)}")


class VideoWriter:
    """Write frames with their times, variable ones too, as H.264; a context manager that leaves the whole file or none.

    path: the container by its suffix, one of `SUFFIXES` (Matroska rounds times to milliseconds). width, height: pixels.
    frame_rate: nominal, frames a second; uniform times at it come out as this exact rate (29.97 is 30000/1001).
    audio: a file whose first sound track goes along, from its container's start at time 0, at its own sample rate and
    channels: AAC is copied into MP4 and MOV, anything else becomes AAC. It ends with the pictures or after `duration`
    seconds, whichever is earlier, padded with silence (a copied track is neither padded nor cut within an AAC frame).
    lossless: exact RGB (H.264 of 4:4:4 kind, which few players show). quality: see `QUALITY`.
    colour: how RGB becomes YCbCr, and its tags; a source's for pictures of its size, BT.709 by default.

    Raises `DataError` for a suffix it does not know, a target that cannot be written, and whatever makes ffmpeg fail.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        frame_rate: float,
        *,
        audio: str | Path | None = None,
        duration: float | None = None,
        lossless: bool = False,
        quality: int = QUALITY,
        colour: Colour | None = None,
    ):
        self.path = Path(path)
        check_container(self.path)
        self._size = (height, width)
        self._rate = exact_rate(frame_rate)
        self._clock = _clock(self._rate)
        self._sound = _Sound(audio) if audio else None
        self._duration = duration
        # 4:2:0, the only kind every player takes, has even sizes only. The last row or column of an odd size is
        # repeated: no pixel moves or changes.
        self._padding = (0, 0) if lossless else (height % 2, width % 2)
        self._codec = _lossless_codec() if lossless else _codec(quality, colour or Colour())
        self._first = self._last = None

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            self._target = stack.enter_context(atomic_output(self.path))
            self._pictures = stack.enter_context(_pictures_beside(self._target)) if self._sound else self._target
            self._process = stack.enter_context(Process(self._encoding(), stdin=True))
            stack.push(self._finish)
            height, width = np.add(self._size, self._padding).tolist()
            self._send(matroska.header(width, height, float(1 / self._rate)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)

    def write(self, image: np.ndarray, pts: float) -> None:
        """Add a frame, uint8 (H, W, 3) RGB, shown from `pts` seconds on, which is after the last one's."""
        if image.shape != (*self._size, 3) or image.dtype != np.uint8:
            raise ValueError(f"frame is {image.dtype} {image.shape}, expected uint8 {(*self._size, 3)}")
        if pts < 0 or (self._last is not None and pts <= self._last):
            raise ValueError(f"frame at {pts} s after one at {self._last} s")
        if any(self._padding):
            image = np.pad(image, (*((0, more) for more in self._padding), (0, 0)), mode="edge")
        self._send(matroska.frame_header(pts, image.nbytes))
        self._send(np.ascontiguousarray(image))
        self._first = pts if self._first is None else self._first
        self._last = pts

    def _send(self, content: bytes | np.ndarray) -> None:
        try:
            self._process.stdin.write(content)
        except BrokenPipeError:
            self._check(self._process)
            raise

    def _encoding(self) -> ffmpeg.nodes.OutputStream:
        # -copyts keeps ffmpeg from moving the first frame to time 0.
        frames = ffmpeg.input("pipe:", format="matroska", copyts=None)
        ticks = f"1/{self._clock}"
        times = {"vf": f"{self._codec['vf']},settb={ticks}", "enc_time_base": ticks, "fps_mode": "passthrough"}
        options = {**self._codec, **times, **_container(self.path, self._clock)}
        return ffmpeg.output(frames["v:0"], file_url(self._pictures), **options)

    def _finish(self, kind: type | None, *_: object) -> None:
        """After the last frame: let the encoder end, then add the sound."""
        if kind is not None:
            return
        if self._last is None:
            raise DataError(f"cannot write '{self.path}': no frames to write")
        self._check(self._process)
        if self._sound:
            end = self._last + float(1 / self._rate)
            seconds = min(end, self._duration or end)
            muxing = self._sound.join(self._pictures, self._first, self._target, seconds, self._clock)
            with Process(muxing) as process:
                self._check(process)

    def _check(self, process: Process) -> None:
        status = process.wait()
        if status != 0:
            reason = process.complaint or f"ended with status {status}"
            raise DataError(f"cannot write '{self.path}': ffmpeg: {reason}")


class _Sound:
    """The sound track that goes with the pictures."""

    def __init__(self, path: str | Path):
        self._path = path
        self._header: Header = read_header(path)
        if self._header.audio is None:
            raise DataError(f"cannot read '{path}': no audio track")

    def join(self, pictures: Path, first: float, target: Path, seconds: float, clock: int) -> ffmpeg.nodes.OutputStream:
        """Copy the encoded `pictures`, which begin at `first` seconds, to `target` with `seconds` of sound."""
        # The pictures' offset undoes ffmpeg's habit of starting every input at 0.
        video = ffmpeg.input(file_url(pictures), itsoffset=first)["v:0"]
        if self._header.audio.startswith("aac") and target.suffix.lower() != ".mkv":
            audio, codec = ffmpeg.input(file_url(self._path), t=seconds), {"c:a": "copy"}
        else:
            audio, codec = ffmpeg.input(file_url(self._path)), self._aac(seconds)
        options = {"c:v": "copy", **codec, **_container(target, clock)}
        return ffmpeg.output(video, audio["a:0"], file_url(target), **options)

    def _aac(self, seconds: float) -> dict[str, str]:
        layout = next((name for name in _AUDIO_BITS if f" {name}," in self._header.audio), None)
        # Silence before a track that starts late, and after one that ends early.
        length = f"aresample=async=1:first_pts=0,apad=whole_dur={seconds},atrim=end={seconds}"
        return {"c:a": "aac", "b:a": _AUDIO_BITS.get(layout, _SURROUND_BITS), "af": length}


@contextlib.contextmanager
def _pictures_beside(target: Path) -> Iterator[Path]:
    """A name for the encoded pictures while they wait for their sound; removed at the end."""
    pictures = target.with_name(f"{target.stem}.pictures{target.suffix}")
    try:
        yield pictures
    finally:
        pictures.unlink(missing_ok=True)


def _codec(quality: int, colour: Colour) -> dict[str, object]:
    """ffmpeg's options for pictures that every player shows."""
    conversion = (
        f"scale=out_color_matrix={colour.matrix}:out_range={colour.scale_range}"
        ":flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic,format=yuv420p"
    )
    tags = (
        f"setparams=range={colour.range}:colorspace={colour.space}"
        f":color_primaries={colour.primaries}:color_trc={colour.transfer}"
    )
    return {"c:v": "libx264", "crf": quality, "vf": f"{conversion},{tags}"}


def _lossless_codec() -> dict[str, object]:
    return {"c:v": "libx264rgb", "qp": 0, "vf": "format=rgb24"}


def _container(path: Path, clock: int) -> dict[str, object]:
    """ffmpeg's options for the container: times in ticks of `clock` a second, where it is not Matroska."""
    if path.suffix.lower() == ".mkv":
        return {}
    # +faststart puts the index first, so that a browser can play before it has the whole file.
    return {"movflags": "+faststart", "video_track_timescale": clock, "movie_timescale": clock}


def _clock(rate: Fraction) -> int:
    """Ticks a second: a multiple of the rate's numerator, so that its frame times are exact, and at least `_CLOCK`."""
    return rate.numerator * -(-_CLOCK // rate.numerator)
