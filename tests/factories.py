"""Small made-up inputs for tests, and the way to real clips where a folder of them lies beside the checkout."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_file(name: str) -> Path:
    """A file of the folder `shared` beside the checkout; skips the test where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs the real clips: no shared/{name} beside the checkout")
    return path
