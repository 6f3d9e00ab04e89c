"""Short names for paths that are still different where the paths are."""

import os
from collections.abc import Iterable
from pathlib import Path


def distinct_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Path to its last component, and to as many folders before it as tell it from the other paths.

    >>> distinct_names([Path("a/1.h5"), Path("b/1.h5"), Path("b/2.h5")])
    {Path("a/1.h5"): "a/1.h5", Path("b/1.h5"): "b/1.h5", Path("b/2.h5"): "2.h5"}
    """
    parts = {path: Path(os.path.abspath(path)).parts for path in paths}
    return {path: _shortest(own, {other for other in parts.values() if other != own}) for path, own in parts.items()}


def _shortest(own: tuple[str, ...], others: set[tuple[str, ...]]) -> str:
    count = next((n for n in range(1, len(own)) if all(own[-n:] != other[-n:] for other in others)), len(own))
    return Path(*own[-count:]).as_posix() if own else ""
