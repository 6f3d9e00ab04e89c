"""The framing that a renderer expects of clips, from the metadata of its file alone."""

from pathlib import Path

from dd_tools import diffdub, warp
from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import RENDERER, read_metadata
from dd_tools.formats.clip import Framing
from dd_tools.nn.config import Config


def framing_of(path: Path) -> Framing:
    """The framing of the renderer in a weights file. Raises `DataError` for any other file."""
    metadata = read_metadata(path)
    if metadata["stage"] != RENDERER:
        raise DataError(f"cannot use '{path}': it holds a {metadata['stage']}, expected a {RENDERER}")
    try:
        return _config_class(metadata["kind"]).from_json(metadata["config"]).framing
    except (DataError, UsageError) as error:
        raise DataError(f"cannot use '{path}': {error}") from None


def _config_class(kind: str) -> type[Config]:
    if kind == diffdub.KIND:
        from dd_tools.diffdub.autoencoder import RendererConfig
    elif kind == warp.KIND:
        from dd_tools.warp.network import RendererConfig
    else:
        raise DataError(f"unknown kind of model '{kind}', expected {diffdub.KIND} or {warp.KIND}")
    return RendererConfig
