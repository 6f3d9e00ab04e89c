"""Audio from a pipe: a FIFO, or ``<(command)`` of a shell. It is read more than once, so it is kept in a file."""

import contextlib
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError, reason


@contextlib.contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """`path` itself or, if it is a pipe, a temporary file with what comes out of it. Raises `DataError`."""
    try:
        is_pipe = stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        is_pipe = False  # whoever opens it tells why it cannot be read
    if not is_pipe:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="dd-") as folder:
        copy = Path(folder, path.name)
        try:
            with open(path, "rb") as source, open(copy, "wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise DataError(f"cannot read '{path}': {reason(error)}") from None
        yield copy
