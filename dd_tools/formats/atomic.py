"""Writing beside the target and renaming, so that a killed command leaves the old file or the new one."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError


@contextlib.contextmanager
def atomic_output(target: str | Path) -> Iterator[Path]:
    """Yield a path to write to; on success it is flushed to disk and renamed to `target`, otherwise it is removed.

    The temporary name keeps the target's suffix (ffmpeg chooses the container by it) and is unique to the call, so
    commands running side by side do not meet. A directory or missing folder as target raises `DataError`, and so does
    any `OSError` from the writing itself (disk full, read-only folder).
    """
    target = Path(target)
    check_output_path(target)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}-{secrets.token_hex(4)}.part{target.suffix}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # what the user's umask says; some libraries write private files
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        raise DataError(f"cannot write '{target}': {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_output_path(target: str | Path) -> None:
    """Raise `DataError` if `target` could not be created: before the work, not after it."""
    target = Path(target)
    if target.is_dir():
        raise DataError(f"cannot write '{target}': it is a folder; name a file")
    if not target.parent.is_dir():
        raise DataError(f"cannot write '{target}': folder '{target.parent}' does not exist")
    if not os.access(target.parent, os.W_OK):
        raise DataError(f"cannot write '{target}': folder '{target.parent}' is not writable")
