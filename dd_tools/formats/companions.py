"""Names of the files that belong to an output while it is written: never longer than the file system allows."""

import hashlib
import os
from pathlib import Path

LONGEST_NAME = 255  # bytes; no common file system allows less, except encrypted ones, which say so
DIGITS = 16  # of the hash in a shortened name


def companion(target: Path, ending: str, *, hidden: bool = False) -> Path:
    """The path of a file that belongs to `target`: in the same folder, TARGET and `ending`, after a dot if `hidden`.

    If that name would be too long, the end of TARGET is replaced by a hash of TARGET, so that no two targets share it.
    """
    dot = "." * hidden
    room = _longest_name(target.parent) - len(os.fsencode(dot + ending))
    return target.with_name(f"{dot}{shortened(target.name, room)}{ending}")


def shortened(name: str, room: int) -> str:
    """`name`, or if it has more than `room` bytes, its beginning and a hash."""
    content = os.fsencode(name)
    if len(content) <= room:
        return name
    digest = hashlib.sha256(content).hexdigest()[:DIGITS]
    # Half of a character would not be UTF-8, which some file systems refuse.
    return content[: max(0, room - DIGITS - 1)].decode("utf-8", "ignore") + f"-{digest}"


def _longest_name(folder: Path) -> int:
    """In bytes. Where the limit counts characters, it is lower than it could be."""
    try:
        return min(LONGEST_NAME, os.pathconf(folder, "PC_NAME_MAX"))
    except (AttributeError, OSError, ValueError):  # Windows; a missing folder; an unknown limit
        return LONGEST_NAME
