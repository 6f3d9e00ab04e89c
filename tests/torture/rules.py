"""What counts as a fault. Every fault is one line, the same for all cases with the same cause."""

import json
import re
import signal
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from dd_tools.media.ffmpeg import ffmpeg_path
from torture.sandbox import Outcome

ERROR_LINES = 5  # more than these are a dump, not a message
INTERRUPTED = {signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGINT: (130, 143), signal.SIGKILL: (-signal.SIGKILL,)}
_FRAME = re.compile(r'File ".*?/(dd_tools/[^"]*)", line (\d+),? in (\S+)')
_TEMPORARY = (".*", "*.part*", "*.lock", "*.tmp")


def faults_of_end(outcome: Outcome, command: str, *, sent: signal.Signals | None = None) -> list[str]:
    """Faults in how a run ended. sent: the signal that it got, if any."""
    faults = []
    if outcome.late:
        return [f"hangs{_where(outcome.errors)}"]
    if outcome.large:
        faults.append("takes more than 2 GB")
    if outcome.orphans:
        faults.append(f"leaves {outcome.orphans[0]} running")
    if outcome.large and outcome.status == -signal.SIGKILL:  # by the sandbox
        return faults
    allowed = (0, 1, 2, *INTERRUPTED.get(sent, ()))
    if sent in (signal.SIGTERM, signal.SIGINT):
        allowed = (0, *INTERRUPTED[sent])
    if outcome.status not in allowed:
        faults.append(_odd_status(outcome, sent))
    return faults + _faults_of_words(outcome, command)


def _odd_status(outcome: Outcome, sent: signal.Signals | None) -> str:
    if outcome.status < 0:
        return f"dies of {signal.Signals(-outcome.status).name}{_where(outcome.errors)}"
    last = outcome.errors.strip().splitlines()[-1:]
    shown = f": {_general(last[0])}" if last else ""
    return f"exit status {outcome.status}{f' after {sent.name}' if sent else ''}{shown}"


def _faults_of_words(outcome: Outcome, command: str) -> list[str]:
    """Faults in what it says on standard error, where quiet commands print errors only."""
    if "Traceback (most recent call last)" in outcome.errors:
        return [f"traceback: {_exception(outcome.errors)}{_where(outcome.errors)}"]
    lines = outcome.errors.splitlines()
    foreign = [line for line in lines if line.strip() and not line.startswith(f"{command}: ")]
    faults = [f"a line that is not the command's: {_general(foreign[0])}"] if foreign else []
    if len(lines) > ERROR_LINES:
        faults.append("more than a few error lines")
    if outcome.status in (1, 2) and not lines:
        faults.append("fails without a word")
    return faults


def faults_of_files(before: dict[str, bytes], after: dict[str, bytes], kept: tuple[str, ...]) -> list[str]:
    """Faults in what a run that was not killed left in its folder: files with their contents by their paths."""
    changed = [name for name, content in after.items() if before.get(name) != content]
    outside = [name for name in changed if not name.startswith(("out/", "tmp/"))]
    outside += [name for name in before if name not in after and not name.startswith("out/")]
    faults = [f"changes a file that is no output: {_general(name)}" for name in outside[:1]]
    left = [name for name in changed if is_temporary(name) and not is_kept(name, kept)]
    return faults + [f"leaves a temporary file: {_general(name)}" for name in left[:1]]


def is_temporary(name: str) -> bool:
    """Whether the path `name` is that of a temporary or a lock file, or in a folder of parts."""
    return name.startswith("tmp/") or any(fnmatch(part, one) for part in Path(name).parts for one in _TEMPORARY)


def is_kept(name: str, kept: tuple[str, ...]) -> bool:
    """Whether an unfinished run may leave the path `name`: it matches a pattern, or is in a folder that does."""
    if any(part.startswith(".") for part in Path(name).parts):
        return False
    return any(fnmatch(str(path), one) for path in (Path(name), *Path(name).parents) for one in kept)


def faults_of_content(folder: Path, names: list[str]) -> list[str]:
    """Output files that cannot be read."""
    faults = []
    for name in names:
        try:
            _READERS.get(Path(name).suffix, Path.read_bytes)(folder / name)
        except Exception as error:  # every library has its own exceptions for a broken file
            faults.append(f"writes an unreadable *{Path(name).suffix}: {_general(str(error))}")
    return faults[:1]


def _read_hdf5(path: Path) -> None:
    with h5py.File(path) as file:
        file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)


def _read_image(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _read_video(path: Path) -> None:
    command = [ffmpeg_path(), "-v", "error", "-nostdin", "-i", f"file:{path}", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise ValueError(done.stderr.splitlines()[0])


_READERS = {
    ".h5": _read_hdf5, ".npy": np.load, ".safetensors": load_file, ".png": _read_image, ".mp4": _read_video,
    ".mkv": _read_video, ".json": lambda path: json.loads(path.read_text()),
}  # fmt: skip


def _exception(errors: str) -> str:
    """The type of the last exception in the tracebacks."""
    named = re.findall(r"^([\w.]+(?:Error|Exception|Warning|Interrupt|Exit|Fault|Full))\b", errors, re.MULTILINE)
    return named[-1] if named else _general(errors.strip().splitlines()[-1])


def _where(errors: str) -> str:
    """The last line of the package in a traceback."""
    frames = _FRAME.findall(errors)
    last = 0 if "most recent call first" in errors else -1
    return " at {}:{} in {}".format(*frames[last]) if frames else ""


def _general(text: str) -> str:
    """A message or path without what differs from case to case."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", text)
    text = re.sub(r"0x[0-9a-f]+|[0-9a-f]{8}\b", "…", text)
    return re.sub(r"\d+(\.\d+)?", "N", text)[:120]
