"""Tiny models of both kinds, diffdub and warp, with random weights that do something."""

from pathlib import Path

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_lips
from tiny_warp import shaken, tiny_motion_network, tiny_network

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.motion import DiffDubMotionModel
from dd_tools.diffdub.motion_network import MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS as MOTION_PRESETS
from dd_tools.diffdub.renderer import DiffDubRenderer
from dd_tools.diffdub.renderer_training import PRESETS as RENDERER_PRESETS
from dd_tools.formats.checkpoint import MOTION, RENDERER, Checkpoint, write_checkpoint
from dd_tools.formats.clip import Clip
from dd_tools.pipeline.encode import encode_clip
from dd_tools.pipeline.interfaces import MotionModel, Renderer
from dd_tools.warp.latents import LANDMARK_VALUES
from dd_tools.warp.motion import WarpMotionModel
from dd_tools.warp.renderer import WarpRenderer

KINDS = ("diffdub", "warp")
of_both_kinds = pytest.mark.parametrize("kind", KINDS)


def tiny_renderer(kind: str) -> Renderer:
    """For clips of 32 px; latents of 16 values or 66."""
    if kind == "warp":
        return WarpRenderer(tiny_network())
    return DiffDubRenderer(shaken(DiffusionAutoencoder(RENDERER_PRESETS["tiny"].config)))


def tiny_motion_model(kind: str) -> MotionModel:
    """For log-mel features."""
    if kind == "warp":
        return WarpMotionModel(tiny_motion_network())
    torch.manual_seed(0)
    network = MotionNetwork(MOTION_PRESETS["tiny"].config)
    for parameter in network.parameters():  # far from zero, so that attention tells speech apart
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter)
    return DiffDubMotionModel(network)


def fitting_latents(kind: str, count: int) -> np.ndarray:
    """Latents (count, Z) of noise that the tiny motion model accepts."""
    return dummy_lips(count, 66) if kind == "warp" else dummy_latents(count, 16)


def noisy_latents(renderer: Renderer, clip: Clip) -> np.ndarray:
    """Latents (T, Z) of noise for all frames of a clip, which end, if they hold landmarks, near those of the clip.

    Alignment by landmarks that are anywhere would magnify rounding errors.
    """
    latents = np.random.default_rng(0).normal(size=(clip.length, renderer.z_size)).astype(np.float32)
    if isinstance(renderer, WarpRenderer):
        own = encode_clip(renderer, clip)[:, -LANDMARK_VALUES:]
        latents[:, -LANDMARK_VALUES:] = own + 0.05 * latents[:, -LANDMARK_VALUES:]
    return latents


def write_tiny_models(folder: Path, kind: str) -> tuple[Path, Path]:
    """Weights files of both stages in `folder`."""
    paths = folder / f"renderer-{kind}.safetensors", folder / f"motion-{kind}.safetensors"
    for path, stage, model in zip(
        paths, (RENDERER, MOTION), (tiny_renderer(kind), tiny_motion_model(kind)), strict=True
    ):
        network = model.network
        write_checkpoint(path, Checkpoint(stage, kind, network.config.to_json(), network.state_dict()))
    return paths
