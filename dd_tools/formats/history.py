"""The history of a file: the command lines and input files that produced it, stored in the file itself.

An entry is a plain dictionary ``{"command", "version", "arguments", "inputs": {name: sha256}}``. It contains no time,
no host name and no absolute path, so the same command with the same input writes the same bytes, and says nothing about
the machine.
"""

import functools
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from dd_tools import __version__
from dd_tools.errors import DataError, reason
from dd_tools.formats.names import distinct_names

_BLOCK_BYTES = 1 << 20


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, which is read only once unless its size or time of modification changes.

    Raises `DataError` if the file cannot be read.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    return _remembered(Path(path), (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=64)
def _remembered(path: Path, version: tuple[int, ...]) -> str:
    return computed_sha256(path)


def computed_sha256(path: str | Path) -> str:
    """`sha256_of` a file that may be damaged: it is read in any case."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    return digest.hexdigest()


def history_entry(command: str, arguments: Sequence[str], inputs: Iterable[str | Path] = ()) -> dict:
    """The history entry of a command that ran with `arguments` on the files `inputs`.

    Inputs of the same name are told apart by their folders.
    """
    names = distinct_names(map(Path, inputs))
    return {
        "command": command,
        "version": __version__,
        "arguments": [_without_absolute_folder(argument) for argument in arguments],
        "inputs": {name: sha256_of(path) for path, name in names.items()},
    }


def _without_absolute_folder(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    return option + equals + (Path(value).name or value if Path(value).is_absolute() else value)
