"""The history of a file: the command lines and input files that produced it, stored in the file itself.

An entry is a plain dictionary ``{"command", "version", "arguments", "inputs": {name: sha256}}``. It contains no time
and no host name, so the same command with the same input writes the same bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from dd_tools import __version__
from dd_tools.errors import DataError

_BLOCK_BYTES = 1 << 20


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file. Raises `DataError` if the file cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {str(error.strerror).lower()}") from None
    return digest.hexdigest()


def history_entry(command: str, arguments: Sequence[str], inputs: Iterable[str | Path] = ()) -> dict:
    """The history entry of a command that ran with `arguments` on the files `inputs`."""
    return {
        "command": command,
        "version": __version__,
        "arguments": list(arguments),
        "inputs": {Path(path).name: sha256_of(path) for path in inputs},
    }
