"""Notice that an input changed while it was read, so that no output is made of two versions of it."""

from pathlib import Path

from dd_tools.errors import DataError


class Snapshot:
    """What tells whether files are still those that they were when the work began; their content is not read.

    paths: the files; None stands for one that is not used.
    """

    def __init__(self, *paths: Path | None):
        self._states = {path: _state(path) for path in paths if path}

    def check(self) -> None:
        """Raise `DataError` if a file was written, replaced or removed since. Call it before outputs appear."""
        for path, state in self._states.items():
            if _state(path) != state:
                raise DataError(f"'{path}' changed while it was used; run the command again")


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:  # whoever reads the file says what is wrong with it
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
