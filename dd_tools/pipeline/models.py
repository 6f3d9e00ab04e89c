"""Trained models from files of any kind: the kind stored in a checkpoint selects the class."""

from collections.abc import Mapping
from pathlib import Path

import torch

from dd_tools import diffdub, warp
from dd_tools.diffdub import motion as diffdub_motion
from dd_tools.diffdub import renderer as diffdub_renderer
from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import MOTION, RENDERER, read_checkpoint
from dd_tools.nn.device import AUTO
from dd_tools.pipeline.interfaces import MotionModel, Renderer
from dd_tools.warp import motion as warp_motion
from dd_tools.warp import renderer as warp_renderer
from dd_tools.weights import default_weights

_RENDERERS = {diffdub.KIND: diffdub_renderer.renderer_from, warp.KIND: warp_renderer.renderer_from}
_MOTION_MODELS = {diffdub.KIND: diffdub_motion.motion_model_from, warp.KIND: warp_motion.motion_model_from}


def load_renderer(path: Path | None, device: torch.device | str = "cpu", dtype: str = AUTO) -> Renderer:
    """Load the renderer in a weights file; None for the one that ships. dtype: see `choose_dtype`.

    Raises `DataError` for any other file.
    """
    path = path or default_weights("renderer")
    checkpoint = read_checkpoint(path, RENDERER)
    return _of_kind(_RENDERERS, checkpoint.kind, path)(checkpoint, path, device, dtype)


def load_motion_model(path: Path | None, device: torch.device | str = "cpu", dtype: str = AUTO) -> MotionModel:
    """Load the motion model in a weights file; None for the one that ships. dtype: see `choose_dtype`.

    Raises `DataError` for any other file.
    """
    path = path or default_weights("motion")
    checkpoint = read_checkpoint(path, MOTION)
    return _of_kind(_MOTION_MODELS, checkpoint.kind, path)(checkpoint, path, device, dtype)


def _of_kind(table: Mapping[str, object], kind: str, path: Path):
    if kind not in table:
        raise DataError(f"cannot use '{path}': unknown kind of model '{kind}', expected {' or '.join(table)}")
    return table[kind]


def check_options(model: str, allowed: tuple[str, ...], options: Mapping[str, object]) -> dict[str, object]:
    """The options that are not None. model: its name, for errors. Raises `UsageError` for one that is not `allowed`."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in allowed:
            raise UsageError(f"{model} has no option --{name.replace('_', '-')}")
    return given
