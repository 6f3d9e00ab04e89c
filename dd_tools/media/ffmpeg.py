"""The ffmpeg program: find it, run it to encode and to join, read its errors.

The package ffmpeg-python builds the command lines. `Process` runs them, with pipes and with a thread for the messages.
"""

import contextlib
import functools
import re
import shutil
import subprocess
import threading
from pathlib import Path

import ffmpeg

from dd_tools.errors import DataError

OLDEST_VERSION = (7, 0)  # older ones begin the streams of Matroska files up to 64 ms late

# With "-loglevel level+error" a line is "[component @ address] [level] message".
_LINE = re.compile(r"(?:\[[^\]]* @ [^\]]*\] )*\[(?P<level>\w+)\] (?P<message>.*)")


@functools.lru_cache(maxsize=1)
def ffmpeg_path() -> str:
    """Path of the ffmpeg to run: the one in PATH if it is recent and has libx264, otherwise that of imageio-ffmpeg.

    Raises `DataError` if there is neither.
    """
    system = shutil.which("ffmpeg")
    if system and _is_usable(system):
        return system
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise DataError("cannot find ffmpeg: install version 7.0 or newer with libx264") from None


def _is_usable(program: str) -> bool:
    try:
        report = subprocess.run([program, "-version"], capture_output=True, text=True, errors="replace").stdout
    except OSError:
        return False
    version = re.search(r"version n?(\d+)\.(\d+)", report)  # builds from git have no number; they are recent
    is_recent = version is None or tuple(map(int, version.groups())) >= OLDEST_VERSION
    return is_recent and "--enable-libx264" in report


class Process:
    """A running ffmpeg. Use it as a context manager: leaving the context ends the process.

    stream: an output of ffmpeg-python.
    stdin: whether to open a pipe; the attribute of the same name is the pipe, or None.

    The attribute `first_error` is ffmpeg's first error message, or None. Later ones are mostly consequences of it.
    """

    def __init__(
        self,
        stream: ffmpeg.nodes.OutputStream,
        *,
        stdin: bool = False,
    ):
        command = [ffmpeg_path(), "-hide_banner", "-nostats", "-loglevel", "level+error", "-y"]
        # Without -nostdin ffmpeg reads the keys typed in the terminal.
        self._process = subprocess.Popen(
            stream.compile(cmd=command if stdin else [*command, "-nostdin"]),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.stdin = self._process.stdin
        self.first_error: str | None = None
        # A full pipe of messages would block ffmpeg, so the thread reads them all the time.
        self._reader = threading.Thread(target=self._read_messages, daemon=True)
        self._reader.start()

    def _read_messages(self) -> None:
        for raw in self._process.stderr:
            found = _LINE.fullmatch(raw.decode(errors="replace").rstrip())
            if found and found["level"] in ("error", "fatal", "panic") and self.first_error is None:
                self.first_error = found["message"].rstrip(".")

    def wait(self) -> int:
        """Close the input pipe, wait for ffmpeg to finish, and return its exit status."""
        if self.stdin:
            with contextlib.suppress(OSError):
                self.stdin.close()
        status = self._process.wait()
        self._reader.join()
        return status

    def finish_writing(self, target: Path) -> None:
        """Wait for ffmpeg to finish. Raises `DataError` about `target` if it failed."""
        status = self.wait()
        if status != 0:
            raise DataError(f"cannot write '{target}': ffmpeg: {self.first_error or f'exit status {status}'}")

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        self._process.stderr.close()
