"""Runs of commands in processes of their own, forked from this one, which has imported everything.

A run starts a session, so its children can be found and ended, and has a working folder, a folder for temporary files
and files for what it prints.
"""

import contextlib
import faulthandler
import importlib
import os
import pkgutil
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from commands import console_script, script_names

TIME_LIMIT = 60.0  # seconds, of a run that takes less than one on an idle machine
MEMORY_LIMIT = 2 << 30  # bytes
GRACE = 3.0  # seconds in which the children of a killed command must end by themselves
POLL = 0.01  # seconds


class Outcome(NamedTuple):
    """How a run ended.

    status: exit status, or minus the number of the signal that it died of. errors: standard error. memory: peak of the
    process and its children in bytes. late, large: it was killed because of its time or memory. orphans: the programs
    that it left running.
    """

    status: int
    errors: str
    seconds: float
    memory: int
    late: bool
    large: bool
    orphans: list[str]


def warm_up() -> None:
    """Import all that a command may need; with one thread, as threads do not survive a fork."""
    import dd_tools
    from dd_tools.media.ffmpeg import ffmpeg_path

    for module in pkgutil.walk_packages(dd_tools.__path__, "dd_tools."):
        importlib.import_module(module.name)
    importlib.import_module("torch").set_num_threads(1)
    importlib.import_module("cv2").setNumThreads(1)
    ffmpeg_path()  # its result is remembered
    for name in script_names():
        console_script(name)


class Running:
    """A process that leads its session. errors: the file of its standard error."""

    def __init__(self, pid: int, errors: Path):
        self.pid, self._errors, self._start = pid, errors, time.monotonic()

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the process, or as a terminal does to its children too. It may have ended."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def has_ended(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, limit: float = TIME_LIMIT) -> Outcome:
        """Wait for the end, and end what the process leaves running."""
        late = large = False
        try:
            while not self.has_ended() and not (late or large):
                late = time.monotonic() - self._start > limit
                large = memory_of(self.pid) > MEMORY_LIMIT
                time.sleep(POLL)
        except BaseException:
            self.signal(signal.SIGKILL, group=True)
            raise
        seconds = time.monotonic() - self._start
        if late:
            self.signal(signal.SIGABRT)  # prints where it is
            time.sleep(GRACE / 10)
        if late or large:
            self.signal(signal.SIGKILL)
        orphans = remaining(self.pid)
        self.signal(signal.SIGKILL, group=True)
        _, status, usage = os.wait4(self.pid, 0)
        memory, errors = usage.ru_maxrss << 10, self._errors.read_text(errors="replace")
        large = large or memory > MEMORY_LIMIT
        return Outcome(os.waitstatus_to_exitcode(status), errors, seconds, memory, late, large, orphans)


def start(work: Callable[[], None], folder: Path, streams: Path, name: str = "run") -> Running:
    """Call `work` in a new process, in `folder`; it ends as a script does.

    name: of its files in the folder `streams`, beside those of others that run at the same time.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os._exit(_call(work, folder, streams, name))
    return Running(pid, streams / f"{name}.err")


def command(line: str, prepare: Callable[[], object] = lambda: None) -> Callable[[], None]:
    """The work of `start` that runs the command `line`, quietly, after `prepare`."""

    def work() -> None:
        sys.argv = [*line.split(), "-q"]
        prepare()
        console_script(sys.argv[0])()

    return work


def limit_files(size: int) -> None:
    """In a process of `start`: files larger than `size` bytes cannot be written, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def fresh(folder: Path, material: Path, files: Iterable[str]) -> None:
    """Make `folder` anew, with copies of `files` of `material` and the folders ``out`` and ``tmp``."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("out", "tmp"):
        (folder / name).mkdir(parents=True)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(material / file, folder / file)  # with their times, which tell whether a run can be resumed


def contents(folder: Path, *patterns: str) -> dict[str, bytes]:
    """Every file in `folder`, hidden ones too, by its relative path; less those that match one of `patterns`."""
    skipped = {path for pattern in patterns for path in folder.glob(pattern)}
    files = [path for path in sorted(folder.rglob("*")) if skipped.isdisjoint((path, *path.parents))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}


def _call(work: Callable[[], None], folder: Path, streams: Path, name: str) -> int:
    """What a Python program does around its script; returns the exit status."""
    for descriptor, path in ((0, Path(os.devnull)), (1, streams / f"{name}.out"), (2, streams / f"{name}.err")):
        opened = os.open(path, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ["TMPDIR"], tempfile.tempdir = str(folder / "tmp"), None
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which background jobs of a shell ignore
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    status = 0
    try:
        work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return status


def memory_of(pid: int) -> int:
    """Resident memory of a process in bytes."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def remaining(group: int) -> list[str]:
    """Names of the programs of a process group that still run after a grace period, without its ended leader."""
    deadline = time.monotonic() + GRACE
    while (names := _members(group)) and time.monotonic() < deadline:
        time.sleep(POLL)
    return names


def _members(group: int) -> list[str]:
    """Names of the programs of a process group that run."""
    names = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, _, member_of = rest.split()[:3]
        if int(member_of) == group and state not in "ZX":
            names.append(name)
    return names
