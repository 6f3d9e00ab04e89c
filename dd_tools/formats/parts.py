"""A long job in parts: finished ones wait in a folder beside the target, so that a killed job can go on."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output, check_output_path

KEY = "key.json"


@contextlib.contextmanager
def parts_folder(target: Path, key: dict, *, resume: bool = False) -> Iterator[Path]:
    """The folder ``TARGET.parts`` for the parts of one job, empty, or with `resume` as an earlier run left it.

    key: everything that shapes the parts; those of another key are thrown away. After success the folder is removed;
    after a failure too, unless a numbered part was finished; after an interrupt, unless anything was. Raises
    `DataError` while another process works on the same target.
    """
    check_output_path(target)
    folder = target.with_name(f"{target.name}.parts")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write '{folder}': {error.strerror}") from None
    with _alone_in(folder, target):
        try:
            if not (resume and _key_of(folder) == key):
                _empty(folder)
                with atomic_output(folder / KEY) as temporary:
                    temporary.write_text(json.dumps(key))
            yield folder
        except BaseException as error:
            worth_keeping = "[0-9]*" if isinstance(error, Exception) else "[!.]*"
            if not any(path.name != KEY for path in folder.glob(worth_keeping)):
                shutil.rmtree(folder)
            elif isinstance(error, DataError):
                raise DataError(f"{error}; what is finished is kept, --resume goes on from there") from error
            raise
        shutil.rmtree(folder)


@contextlib.contextmanager
def _alone_in(folder: Path, target: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"cannot write '{target}': another process is writing it") from None
        yield


def file_stamp(path: Path | None) -> list | None:
    """What distinguishes a file from its later versions, cheaply: resolved path, size, modification time in ns.

    None stays None. Raises `DataError` if the file cannot be read.
    """
    if path is None:
        return None
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DataError(f"cannot read '{path}': no such file") from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {str(error.strerror).lower()}") from None
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _key_of(folder: Path) -> dict | None:
    try:
        return json.loads((folder / KEY).read_text())
    except (OSError, ValueError):
        return None


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == ".lock":
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()
