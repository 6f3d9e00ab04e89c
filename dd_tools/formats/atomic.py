"""Atomic writing: a file is written beside its target and renamed, so that a killed command leaves no partial file."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError


@contextlib.contextmanager
def atomic_output(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to. It is renamed to `target` after success and removed after an exception.

    The temporary name has the suffix of the target, by which ffmpeg chooses the container, and is different in every
    call, so that several commands can write to one folder. The file is flushed to disk before it is renamed.

    Raises `DataError` if `target` is a folder, if its folder does not exist, and for any `OSError` while it is written,
    such as a full disk.
    """
    target = Path(target)
    check_output_path(target)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}-{secrets.token_hex(4)}.part{target.suffix}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # as the umask sets it; some libraries write files that only the owner can read
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        raise DataError(f"cannot write '{target}': {error.strerror.lower() if error.strerror else error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_output_path(target: str | Path) -> None:
    """Raise `DataError` if `target` cannot be created. Call it before the work, so that the work is not lost."""
    target = Path(target)
    if target.is_dir():
        raise DataError(f"cannot write '{target}': it is a folder; name a file")
    if not target.parent.is_dir():
        raise DataError(f"cannot write '{target}': folder '{target.parent}' does not exist")
    if not os.access(target.parent, os.W_OK):
        raise DataError(f"cannot write '{target}': folder '{target.parent}' is not writable")
