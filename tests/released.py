"""The released networks as tests make them: weights that are a function of their names, checkpoints as the authors'."""

import argparse
import json
import math
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.motion_network import MotionConfig, MotionNetwork
from dd_tools.diffdub.renderer_config import RendererConfig

GOLDEN = Path(__file__).resolve().parent / "golden"


def dummy_released_tensor(name: str, shape: Iterable[int]) -> np.ndarray:
    """The values that stand behind `golden/released.npz` for one tensor of a released network: its name decides."""
    shape = tuple(shape)
    noise = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF).standard_normal(shape)
    noise, leaf = np.asarray(noise, np.float32), name.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return np.asarray(100)
    if leaf == "running_var":
        return np.abs(noise) * np.float32(0.2) + np.float32(0.8)
    if leaf in ("running_mean", "bias"):
        return noise * np.float32({"running_mean": 0.1, "bias": 0.02}[leaf])
    if len(shape) > 1:
        return noise / np.float32(math.sqrt(math.prod(shape[1:])))
    return np.float32(1) + np.float32(0.1) * noise if leaf == "weight" else noise * np.float32(0.3)


def dummy_released_state(network: str) -> dict:
    """The state dict of ``renderer-64`` or ``motion`` under the authors' names, without a prefix: torch tensors."""
    shapes = json.loads((GOLDEN / f"released-{network}.json").read_text())
    return {name: torch.as_tensor(dummy_released_tensor(name, shape)) for name, shape in shapes.items()}


def dummy_released_inputs(size: int = 64, batch: int = 2) -> dict:
    """Tensors x0, reference, face, xT (B, 3, S, S), mask (B, 1, S, S), 1 = repaint, behind `golden/released.npz`."""
    random = np.random.RandomState(7)
    names = ("x0", "reference", "face")
    inputs = {
        name: np.clip(random.standard_normal((batch, 3, size, size)).astype(np.float32) / 2, -1, 1) for name in names
    }
    inputs["xT"] = np.repeat(random.standard_normal((1, 3, size, size)).astype(np.float32), batch, axis=0)
    inputs["mask"] = np.zeros((batch, 1, size, size), np.float32)
    inputs["mask"][:, :, size * 5 // 8 : size * 15 // 16, size // 4 : size * 3 // 4] = 1
    return {name: torch.from_numpy(array) for name, array in inputs.items()}


def dummy_released_sequence() -> tuple:
    """Speech features (1, 25, 100, 1024) and reference latents (1, 75, 512) behind `golden/released.npz`: tensors."""
    random = np.random.RandomState(11)
    return tuple(torch.from_numpy(random.standard_normal(s).astype("f4")) for s in ((1, 25, 100, 1024), (1, 75, 512)))


def dummy_small_renderer(**changes: object) -> dict:
    """The state dict of a small untrained renderer (32 px, z of 16) of the released layout under the authors' names,
    without a prefix; `changes` to its configuration."""
    small = {"size": 32, "channels": 8, "multipliers": (1, 2), "blocks": 1, "z_size": 16, "embedding_size": 16}
    small |= {"encoder_channels": 8, "encoder_multipliers": (1, 2, 2)} | changes
    return _state(lambda: DiffusionAutoencoder(replace(RendererConfig(), **small)))


def dummy_small_motion(**changes: object) -> dict:
    """The same of a small motion model: 3 layers of 32 speech features, z of 16."""
    small = {"speech_layers": 3, "speech_width": 32, "z_size": 16, "width": 16, "hidden": 24, "kernel": 5}
    small |= {"reference_blocks": 1, "speech_blocks": 2, "decoder_blocks": 3} | changes
    state = _state(lambda: MotionNetwork(replace(MotionConfig(), **small)))
    return {f"encoder.{name}": tensor for name, tensor in state.items()}


def _state(build: Callable[[], torch.nn.Module]) -> dict:
    """A new model's tensors, every one of them noise, so that none passes for another."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in build().state_dict().items():
        noise = 0.1 * torch.randn(tensor.shape, generator=generator)
        state[name] = noise.abs() + 0.5 if name.endswith("running_var") else noise.to(tensor.dtype)
    return state


def dummy_authors_checkpoint(path: Path, state: dict, *, stage: int = 1, size: int = 32, **extra: object) -> Path:
    """A checkpoint as PyTorch Lightning leaves it, `extra` at its top: settings, callbacks, an optimiser's state, and
    `state` under its stage's prefix; in stage 1 that is the moving average, beside other weights and x_T of `size`."""
    tensors = OrderedDict((f"{'ema_model.' if stage == 1 else 'seq2seq.'}{name}", t) for name, t in state.items())
    if stage == 1:
        tensors["x_T"] = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))
        tensors |= {f"model.{name}": torch.zeros(()).expand(tensor.shape) for name, tensor in state.items()}
    rest = {"epoch": 3, "pytorch-lightning_version": "1.4.5", "callbacks": {}, "lr_schedulers": []}
    rest |= {
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "hyper_parameters": argparse.Namespace(),
    }
    torch.save({"state_dict": tensors} | rest | extra, path)
    return path
