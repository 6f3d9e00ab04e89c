"""Paths of the files that belong to an output while it is written, such that file system and libraries take them.

They are never longer than the file system allows. Those that libraries write are UTF-8 even if the output's own path is
not, because safetensors, PyTorch and ffmpeg-python take no others.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

LONGEST_NAME = 255  # bytes; no common file system allows less, except encrypted ones, which say so
DIGITS = 16  # of the hash in a shortened name


def companion(target: Path, ending: str, *, hidden: bool = False, utf8: bool = False) -> Path:
    """The path of a file that belongs to `target`: in the same folder, TARGET and `ending`, after a dot if `hidden`.

    If that name would be too long, or is not UTF-8 but must be (`utf8`), the end of TARGET is replaced by a hash of
    TARGET, so that no two targets share it.
    """
    dot = "." * hidden
    room = _longest_name(target.parent) - len(os.fsencode(dot + ending))
    is_usable = len(os.fsencode(target.name)) <= room and (is_utf8(target.name) or not utf8)
    return target.with_name(f"{dot}{target.name if is_usable else shortened(target.name, room)}{ending}")


def shortened(name: str, room: int) -> str:
    """The beginning of `name` and a hash of it, in at most `room` bytes of UTF-8."""
    content = os.fsencode(name)
    digest = hashlib.sha256(content).hexdigest()[:DIGITS]
    return content[: max(0, room - DIGITS - 1)].decode("utf-8", "ignore") + f"-{digest}"


def is_utf8(name: str) -> bool:
    """Whether a name or path of the file system is UTF-8; Python has other bytes as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


@contextlib.contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """Yield `path`, or if it is not UTF-8, another path of the same file or folder, also for child processes.

    It can be opened inside the context. Linux, the only common system with such names, has it. Raises `OSError` if the
    file cannot be read.
    """
    if is_utf8(str(path)):
        yield path
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _longest_name(folder: Path) -> int:
    """In bytes. Where the limit counts characters, it is lower than it could be."""
    try:
        return min(LONGEST_NAME, os.pathconf(folder, "PC_NAME_MAX"))
    except (AttributeError, OSError, ValueError):  # Windows; a missing folder; an unknown limit
        return LONGEST_NAME
