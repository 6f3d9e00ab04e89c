"""The ffmpeg program: which one to run, how to run it, and how to read what it says.

Command lines are built with the package ffmpeg-python; the processes are ours, for the sake of pipes and messages.
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

OLDEST = (5, 1)  # the first version with -fps_mode

# With "-loglevel level+info" a line is "[part of ffmpeg @ address] [level] message".
_LINE = re.compile(r"(?:\[[^\]]* @ [^\]]*\] )*\[(?P<level>\w+)\] (?P<message>.*)")


@functools.lru_cache(maxsize=1)
def ffmpeg_path() -> str:
    """The program to run: the system's where it is recent and can write H.264, else the one imageio-ffmpeg carries.

    Raises `DataError` where there is neither.
    """
    system = shutil.which("ffmpeg")
    if system and _is_fit(system):
        return system
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise DataError("cannot find an ffmpeg of version 5.1 or newer with libx264: install one") from None


def _is_fit(program: str) -> bool:
    try:
        report = subprocess.run([program, "-version"], capture_output=True, text=True, errors="replace").stdout
    except OSError:
        return False
    version = re.search(r"version n?(\d+)\.(\d+)", report)  # builds from git have no number; they are recent
    return "--enable-libx264" in report and (version is None or tuple(map(int, version.groups())) >= OLDEST)


def file_url(path: str | Path) -> str:
    """`path` as ffmpeg's file protocol, so that no character of its name (colon, leading dash) has a meaning."""
    return f"file:{path}"


def check_input(path: str | Path) -> None:
    """Raise `DataError` if `path` is no readable file."""
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
    """A running ffmpeg; a context manager that leaves no process behind.

    stream: an output of ffmpeg-python. on_line: gets every line of standard error, in a thread of its own that always
    drains the pipe, so neither side can block the other; None follows the last line. `stdin` and `stdout` are pipes
    where asked for. `complaint` is ffmpeg's first error (the cause; the later ones are its consequences) or None.
    """

    def __init__(
        self,
        stream: ffmpeg.nodes.OutputStream,
        *,
        stdin: bool = False,
        stdout: bool = False,
        on_line: Callable[[str | None], None] | None = None,
    ):
        # -nostdin keeps ffmpeg from taking the keys typed at the terminal for itself.
        command = [ffmpeg_path(), "-hide_banner", "-nostats", "-loglevel", "level+info", "-y"]
        self._process = subprocess.Popen(
            stream.compile(cmd=command if stdin else [*command, "-nostdin"]),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.stdin, self.stdout = self._process.stdin, self._process.stdout
        self.complaint: str | None = None
        self._on_line = on_line
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip()
            found = _LINE.fullmatch(line)
            if found and found["level"] in ("error", "fatal", "panic") and self.complaint is None:
                self.complaint = found["message"].rstrip(".")
            if self._on_line:
                self._on_line(found["message"] if found else line)
        if self._on_line:
            self._on_line(None)

    def wait(self) -> int:
        """Close what is left of the input, let ffmpeg finish, and return its exit status."""
        if self.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()
        status = self._process.wait()
        self._listener.join()
        return status

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        for pipe in (self.stdout, self._process.stderr):
            if pipe:
                pipe.close()
