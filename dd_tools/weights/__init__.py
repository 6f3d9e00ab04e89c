"""The default models that ship with the package; README.md beside them is their model card."""

from pathlib import Path

from dd_tools.errors import DataError


def default_weights(name: str) -> Path:
    """Path of a shipped weights file, ``renderer`` or ``motion``. Raises `DataError` if this installation has none."""
    path = Path(__file__).with_name(f"{name}.safetensors")
    if not path.exists():
        raise DataError(f"no default {name} weights in this installation; name a file with --{name}")
    return path
