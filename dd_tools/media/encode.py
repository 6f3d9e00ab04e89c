"""Write RGB frames with their times to a video file without audio, atomically."""

import contextlib
from pathlib import Path

import ffmpeg
import numpy as np

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output
from dd_tools.media import matroska
from dd_tools.media.codecs import Encoding
from dd_tools.media.containers import check_container, container_options, ticks_per_second
from dd_tools.media.ffmpeg import Process
from dd_tools.media.opening import file_url
from dd_tools.media.rates import exact_rate


class VideoWriter:
    """Writes frames with their times to a video file. Use it as a context manager.

    The file appears when the context ends without an exception; otherwise an existing file is left unchanged.

    path: the suffix names the container, one of `dd_tools.media.containers.CONTAINERS`. Matroska rounds times to 1 ms.
    width, height: pixels. If the encoding needs an even size, the last column or row is repeated.
    frame_rate: nominal frames per second; 29.97 means 30000/1001. Frame times need not follow it.
    encoding: None for the defaults of `Encoding`.
    high_bit_depth: frames are uint16, scaled as `read_frames` returns them; for 10-bit encodings.

    Raises `DataError` for an unknown suffix, a target that cannot be written, and any failure of ffmpeg.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        frame_rate: float,
        encoding: Encoding | None = None,
        *,
        high_bit_depth: bool = False,
    ):
        self.path = Path(path)
        check_container(self.path)
        self._size, self._dtype = (height, width), np.dtype("<u2" if high_bit_depth else "u1")
        self._rate = exact_rate(frame_rate)
        self._encoding = encoding or Encoding()
        needs_even = self._encoding.needs_even_size
        self._padding = tuple(even * (side % 2) for even, side in zip(needs_even, self._size, strict=True))
        self._last_pts: float | None = None

    def __enter__(self) -> "VideoWriter":
        with contextlib.ExitStack() as stack:
            self._temporary = stack.enter_context(atomic_output(self.path))
            self._process = stack.enter_context(Process(self._output(), stdin=True))
            stack.push(self._finish)
            height, width = np.add(self._size, self._padding).tolist()
            frame_seconds, high_bit_depth = float(1 / self._rate), self._dtype.itemsize > 1
            self._send(matroska.header(width, height, frame_seconds, high_bit_depth=high_bit_depth))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)

    def write(self, image: np.ndarray, pts: float) -> None:
        """Append a frame, (H, W, 3) RGB. pts: its time in seconds, later than that of the previous frame.

        Raises `ValueError` for a wrong shape, type or time.
        """
        if image.shape != (*self._size, 3) or image.dtype != self._dtype:
            raise ValueError(f"frame is {image.dtype} {image.shape}, expected {self._dtype} {(*self._size, 3)}")
        if pts < 0 or (self._last_pts is not None and pts <= self._last_pts):
            raise ValueError(f"frame at {pts} s after one at {self._last_pts} s")
        if any(self._padding):
            image = np.pad(image, (*((0, count) for count in self._padding), (0, 0)), mode="edge")
        self._send(matroska.frame_header(pts, image.nbytes))
        self._send(np.ascontiguousarray(image))
        self._last_pts = pts

    def _send(self, content: bytes | np.ndarray) -> None:
        try:
            self._process.stdin.write(content)
        except OSError:  # a broken pipe; Windows calls it an invalid argument
            self._process.finish_writing(self.path)  # raises ffmpeg's error
            raise

    def _output(self) -> ffmpeg.nodes.OutputStream:
        # Without -copyts ffmpeg would move the first frame to time 0.
        frames = ffmpeg.input("pipe:", format="matroska", copyts=None)
        ticks = ticks_per_second(self._rate)
        codec = self._encoding.options()
        times = {"vf": f"{codec['vf']},settb=1/{ticks}", "enc_time_base": f"1/{ticks}", "fps_mode": "passthrough"}
        options = {**codec, **times, **container_options(self.path, ticks)}
        return ffmpeg.output(frames["v:0"], file_url(self._temporary), **options)

    def _finish(self, exception_type: type | None, *_: object) -> None:
        """Let the encoder finish, unless an exception ended the context."""
        if exception_type is not None:
            return
        if self._last_pts is None:
            raise DataError(f"cannot write '{self.path}': no frames to write")
        self._process.finish_writing(self.path)
