"""The ffmpeg program: find it, run it, read its messages.

The package ffmpeg-python builds the command lines. `Process` runs them, with pipes and with a thread for the messages.
"""

import contextlib
import functools
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import ffmpeg

from dd_tools.errors import DataError

OLDEST_VERSION = (5, 1)  # the first one with -fps_mode

# With "-loglevel level+info" a line is "[component @ address] [level] message".
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
        raise DataError("cannot find ffmpeg: install version 5.1 or newer with libx264") from None


def _is_usable(program: str) -> bool:
    try:
        report = subprocess.run([program, "-version"], capture_output=True, text=True, errors="replace").stdout
    except OSError:
        return False
    version = re.search(r"version n?(\d+)\.(\d+)", report)  # builds from git have no number; they are recent
    is_recent = version is None or tuple(map(int, version.groups())) >= OLDEST_VERSION
    return is_recent and "--enable-libx264" in report


def file_url(path: str | Path) -> str:
    """`path` in ffmpeg's file protocol, so that colons and leading dashes have no special meaning."""
    return f"file:{path}"


def check_input(path: str | Path) -> None:
    """Raise `DataError` unless `path` is a readable file that is not empty."""
    path = Path(path)
    if path.is_dir():
        raise DataError(f"cannot read '{path}': it is a folder")
    if not path.exists():
        raise DataError(f"cannot read '{path}': no such file")
    if not os.access(path, os.R_OK):
        raise DataError(f"cannot read '{path}': permission denied")
    if path.stat().st_size == 0 and path.is_file():
        raise DataError(f"cannot read '{path}': empty file")


class Process:
    """A running ffmpeg. Use it as a context manager: leaving the context ends the process.

    stream: an output of ffmpeg-python.
    stdin, stdout: whether to open a pipe; the attributes of the same names are the pipes, or None.
    on_line: called with every line of standard error and with None after the last, in a thread of its own.

    The attribute `first_error` is ffmpeg's first error message, or None. Later ones are mostly consequences of it.
    """

    def __init__(
        self,
        stream: ffmpeg.nodes.OutputStream,
        *,
        stdin: bool = False,
        stdout: bool = False,
        on_line: Callable[[str | None], None] | None = None,
    ):
        command = [ffmpeg_path(), "-hide_banner", "-nostats", "-loglevel", "level+info", "-y"]
        # Without -nostdin ffmpeg reads the keys typed in the terminal.
        self._process = subprocess.Popen(
            stream.compile(cmd=command if stdin else [*command, "-nostdin"]),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.stdin, self.stdout = self._process.stdin, self._process.stdout
        self.first_error: str | None = None
        self._on_line = on_line
        # A full pipe of messages would block ffmpeg, so the thread reads them all the time.
        self._reader = threading.Thread(target=self._read_messages, daemon=True)
        self._reader.start()

    def _read_messages(self) -> None:
        for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip()
            found = _LINE.fullmatch(line)
            if found and found["level"] in ("error", "fatal", "panic") and self.first_error is None:
                self.first_error = found["message"].rstrip(".")
            if self._on_line:
                self._on_line(found["message"] if found else line)
        if self._on_line:
            self._on_line(None)

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
        for pipe in (self.stdout, self._process.stderr):
            if pipe:
                pipe.close()
