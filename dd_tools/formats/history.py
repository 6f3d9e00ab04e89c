"""Where a file came from: the command lines and inputs that made it, carried inside the file.

An entry is a plain dictionary ``{"command", "version", "arguments", "inputs": {name: sha256}}``. It holds no time and
no machine's name, so the same command on the same input writes the same bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from dd_tools import __version__
from dd_tools.errors import DataError


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's content, read in blocks. Raises `DataError` where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {str(error.strerror).lower()}") from None
    return digest.hexdigest()


def history_entry(command: str, arguments: Sequence[str], inputs: Iterable[str | Path] = ()) -> dict:
    """One step of a file's history: `command` ran with `arguments` on the files `inputs`."""
    return {
        "command": command,
        "version": __version__,
        "arguments": list(arguments),
        "inputs": {Path(path).name: sha256_of(path) for path in inputs},
    }
