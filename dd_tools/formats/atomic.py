"""Atomic writing: a file is written beside its target and renamed, so that a killed command leaves no partial file."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError, reason
from dd_tools.formats.companions import companion, is_utf8, utf8_path

_unfinished: set[Path] = set()  # temporary files that may exist

LONGEST_SUFFIX = 32  # bytes of a suffix that temporary names keep; ffmpeg needs only the known ones


@contextlib.contextmanager
def atomic_output(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to. It is renamed to `target` after success and removed after an exception.

    The temporary path has the suffix of the target, by which ffmpeg chooses the container, and is different in every
    call, so that several commands can write to one folder. It is UTF-8 and not too long, see
    `dd_tools.formats.companions`. The file is flushed to disk before it is renamed.

    Raises `DataError` if `target` is a folder, if its folder does not exist, and for any `OSError` while it is written,
    such as a full disk.
    """
    target = Path(target)
    check_output_path(target)
    try:
        with utf8_path(target.parent) as folder, _temporary_file(folder, target) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode  # as the umask sets it; some libraries write files only the owner can read
            yield temporary
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            with contextlib.suppress(OSError):  # file systems without permissions, such as CIFS
                os.chmod(temporary, mode)
            os.replace(temporary, target)
    except OSError as error:
        raise DataError(f"cannot write '{target}': {reason(error)}") from error


@contextlib.contextmanager
def _temporary_file(folder: Path, target: Path) -> Iterator[Path]:
    """A path in `folder` for the content of `target`, removed at the end if it is still there.

    A `DataError` about it becomes one about `target`, as the user does not know the temporary name.
    """
    is_kept = len(os.fsencode(target.suffix)) <= LONGEST_SUFFIX and is_utf8(target.suffix)
    ending = f".{os.getpid()}-{secrets.token_hex(4)}.part{target.suffix if is_kept else ''}"
    path = companion(folder / target.stem, ending, hidden=True, utf8=True)
    _unfinished.add(path)
    try:
        yield path
    except DataError as error:
        raise DataError(str(error).replace(str(path), str(target))) from error
    finally:
        with contextlib.suppress(OSError):  # of a file system that is read-only now
            path.unlink(missing_ok=True)
        _unfinished.discard(path)


def remove_unfinished() -> None:
    """Remove the temporary files whose removal a signal interrupted. Call it when nothing is written any more."""
    while _unfinished:
        with contextlib.suppress(OSError):
            _unfinished.pop().unlink(missing_ok=True)


def check_output_path(target: str | Path) -> None:
    """Raise `DataError` if `target` cannot be created. Call it before the work, so that the work is not lost."""
    target = Path(target)
    mode = _mode(target)
    if stat.S_ISDIR(mode):
        raise DataError(f"cannot write '{target}': it is a folder; name a file")
    if mode and not stat.S_ISREG(mode):  # a device or a pipe would be replaced by a file
        raise DataError(f"cannot write '{target}': it is not a regular file")
    if not target.parent.is_dir():
        raise DataError(f"cannot write '{target}': folder '{target.parent}' does not exist")
    if not os.access(target.parent, os.W_OK):
        raise DataError(f"cannot write '{target}': folder '{target.parent}' is not writable")


def create_output_folder(folder: Path) -> None:
    """Create a folder, and those around it, unless it exists. Raises `DataError` if it cannot be created."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to '{folder}': {reason(error)}") from None


def _mode(target: Path) -> int:
    """What kind of file `target` is, 0 if there is none. Raises `DataError` if there can be none of this name."""
    try:
        return target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise DataError(f"cannot write '{target}': {reason(error)}") from None
