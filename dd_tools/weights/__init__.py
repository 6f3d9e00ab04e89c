"""The models that ship with the package; README.md beside them is their model card."""

from pathlib import Path

from dd_tools.errors import DataError


def default_weights(name: str) -> Path:
    """Path of a shipped weights file, ``renderer`` or ``motion``. Raises `DataError` if this installation has none."""
    try:
        return shipped_file(f"{name}.safetensors")
    except DataError as error:
        raise DataError(f"{error}; name a file with --{name}") from None


def shipped_file(name: str) -> Path:
    """Path of a file, or a folder, that ships in this one. Raises `DataError` if this installation has none."""
    path = Path(__file__).parent / name
    if not path.exists():
        raise DataError(f"this installation is incomplete: '{path}' is missing")
    return path
