"""Pictures out: RGB frames with their times to a video file without sound, in one atomic write."""

import contextlib
from pathlib import Path

import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.media import matroska
from dd_tools.media.codecs import Encoding, check_container
from dd_tools.media.ffmpeg import Process, file_url
from dd_tools.media.joining import check, clock_of, container_options
from dd_tools.media.rates import exact_rate


class VideoWriter:
    """Write frames with their times, variable ones too; a context manager that leaves the whole file or none.

    path: the container by its suffix, one of `CONTAINERS` (Matroska rounds times to milliseconds). width, height:
    pixels. frame_rate: nominal, frames a second; uniform times at it come out as this exact rate (29.97 is 30000/1001).
    deep: frames are uint16 as `read_frames` gives them, which encodings of 10 bits make use of.

    Raises `DataError` for a suffix it does not know, a target that cannot be written, and whatever makes ffmpeg fail.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        frame_rate: float,
        encoding: Encoding | None = None,
        *,
        deep: bool = False,
    ):
        self.path = Path(path)
        check_container(self.path)
        self._size, self._type = (height, width), np.dtype("<u2" if deep else "u1")
        self._rate = exact_rate(frame_rate)
        self._encoding = encoding or Encoding()
        # Halved chroma needs even sizes. The last row or column of an odd size is repeated: no pixel moves or changes.
        self._padding = tuple(even * (side % 2) for even, side in zip(self._encoding.even, self._size, strict=True))
        self._last = None

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            self._target = stack.enter_context(atomic_output(self.path))
            self._process = stack.enter_context(Process(self._encode(), stdin=True))
            stack.push(self._finish)
            height, width = np.add(self._size, self._padding).tolist()
            self._send(matroska.header(width, height, float(1 / self._rate), deep=self._type.itemsize > 1))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)

    def write(self, image: np.ndarray, pts: float) -> None:
        """Add a frame (H, W, 3) RGB, shown from `pts` seconds on, which is after the last one's."""
        if image.shape != (*self._size, 3) or image.dtype != self._type:
            raise ValueError(f"frame is {image.dtype} {image.shape}, expected {self._type} {(*self._size, 3)}")
        if pts < 0 or (self._last is not None and pts <= self._last):
            raise ValueError(f"frame at {pts} s after one at {self._last} s")
        if any(self._padding):
            image = np.pad(image, (*((0, more) for more in self._padding), (0, 0)), mode="edge")
        self._send(matroska.frame_header(pts, image.nbytes))
        self._send(np.ascontiguousarray(image))
        self._last = pts

    def _send(self, content: bytes | np.ndarray) -> None:
        try:
            self._process.stdin.write(content)
        except BrokenPipeError:
            check(self._process, self.path)
            raise

    def _encode(self) -> ffmpeg.nodes.OutputStream:
        # -copyts keeps ffmpeg from moving the first frame to time 0.
        frames = ffmpeg.input("pipe:", format="matroska", copyts=None)
        clock = clock_of(self._rate)
        ticks = f"1/{clock}"
        codec = self._encoding.options()
        times = {"vf": f"{codec['vf']},settb={ticks}", "enc_time_base": ticks, "fps_mode": "passthrough"}
        options = {**codec, **times, **container_options(self.path, clock)}
        return ffmpeg.output(frames["v:0"], file_url(self._target), **options)

    def _finish(self, kind: type | None, *_: object) -> None:
        """After the last frame: let the encoder end."""
        if kind is not None:
            return
        if self._last is None:
            raise DataError(f"cannot write '{self.path}': no frames to write")
        check(self._process, self.path)
