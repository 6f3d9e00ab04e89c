"""Long jobs in parts. Finished parts are kept in a folder beside the target, so that a killed job can continue."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError, reason
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.formats.companions import companion, utf8_path
from dd_tools.formats.history import computed_sha256
from dd_tools.formats.locking import output_lock
from dd_tools.reporting import SILENT, Reporter

KEY = "key.json"


@contextlib.contextmanager
def parts_folder(target: Path, key: dict, *, resume: bool = False, report: Reporter | None = None) -> Iterator[Path]:
    """The folder ``TARGET.parts`` for the finished parts of one job, locked against other processes.

    key: everything that affects the content of the parts, as JSON values.
    resume: keep the parts of an earlier run with the same key; otherwise the folder starts empty.
    report: receives a message if the file system supports no locks, and if parts are kept after an interrupt.

    The folder is removed after success. It is also removed if an exception leaves no numbered part in it, or if an
    interrupt leaves no file in it but the key and hidden ones. Raises `DataError` if another process is writing
    `target`, if `target` or the folder cannot be created, and if the folder holds other files.
    """
    check_output_path(target)
    report = report or SILENT
    with output_lock(target, report), utf8_path(target.parent) as parent:
        folder = companion(parent / target.name, ".parts", utf8=True)
        try:
            folder.mkdir(exist_ok=True)
            is_own = not folder.is_symlink() and ((folder / KEY).exists() or not any(folder.iterdir()))
        except OSError as error:
            raise DataError(f"cannot write '{folder}': {reason(error)}") from None
        if not is_own:
            raise DataError(f"cannot write '{target}': '{folder}' is not a folder of its parts; move it away")
        try:
            if not (resume and _read_key(folder) == key):
                _clear(folder)
                with atomic_output(folder / KEY) as temporary:
                    temporary.write_text(json.dumps(key), "utf-8")
            yield folder
        except BaseException as error:
            parts = "[0-9]*" if isinstance(error, Exception) else "[!.]*"
            if not any(path.name != KEY for path in folder.glob(parts)):
                _remove(folder)
            elif isinstance(error, DataError):
                raise DataError(f"{error}; finished parts are kept, continue with --resume") from error
            elif isinstance(error, KeyboardInterrupt):
                report.say(f"what is finished of '{target}' is kept, continue with --resume")
            raise
        _remove(folder)


def mark_finished(path: Path) -> None:
    """Record the SHA-256 of a complete file in the folder, beside it, for `is_finished`. Raises `DataError`."""
    with atomic_output(_digest_path(path)) as temporary:
        temporary.write_text(computed_sha256(path), "utf-8")


def is_finished(path: Path) -> bool:
    """Whether an earlier run finished the file, and it is undamaged."""
    try:
        return _digest_path(path).read_text("utf-8") == computed_sha256(path)
    except (OSError, ValueError, DataError):
        return False


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _read_key(folder: Path) -> dict | None:
    try:
        return json.loads((folder / KEY).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove(folder: Path) -> None:
    """Remove the folder. What cannot be removed, or is gone already, must not turn success into failure."""
    shutil.rmtree(folder, ignore_errors=True)
