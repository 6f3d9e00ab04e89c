"""A lock on an output file, so that two processes do not write the same target at the same time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import lock_descriptor

from dd_tools.errors import DataError, reason
from dd_tools.formats.companions import companion
from dd_tools.reporting import Reporter

ATTEMPTS = 100  # at locking a file that other processes keep removing


@contextlib.contextmanager
def output_lock(target: Path, report: Reporter) -> Iterator[None]:
    """Hold the lock on `target` inside the context. The lock file is ``.TARGET.lock``, in the folder of `target`.

    On a file system without locks the context is entered without one, after a message to `report`. Raises `DataError`
    if another process holds the lock, or if the lock file cannot be created.
    """
    path = companion(target, ".lock", hidden=True)
    descriptor = _open_locked(path, target, report)
    try:
        yield
    finally:
        # The file is removed while it is still locked: afterwards the name may belong to another process.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)
        if os.name == "nt":  # Windows removes no file that is open, so this one belongs to no other process either.
            with contextlib.suppress(OSError):
                path.unlink()


def _open_locked(path: Path, target: Path, report: Reporter) -> int:
    """A file descriptor of the lock file, locked."""
    for _ in range(ATTEMPTS):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise DataError(f"cannot write '{target}': cannot create '{path}' ({reason(error)})") from None
        try:
            _lock(descriptor, target, report)
            if _is_file_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # The previous owner removed the file after it was opened here: a lock on it protects nothing.
        os.close(descriptor)
    raise _locked_error(target)


def _lock(descriptor: int, target: Path, report: Reporter) -> None:
    try:
        locked = lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        report.say(f"cannot lock '{target}' ({reason(error)}): make sure that no other process writes it")
        return
    if not locked:
        raise _locked_error(target)


def _locked_error(target: Path) -> DataError:
    return DataError(f"cannot write '{target}': another process is writing it")


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
