"""Adaptation of a trained renderer to one speaker."""

import copy
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dd_tools.formats.checkpoint import RENDERER, read_checkpoint, read_metadata
from dd_tools.pipeline.training import renderer_training
from dd_tools.reporting import SILENT, Reporter
from dd_tools.training.loop import new_state, prepared, train
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.state import state_path
from dd_tools.training.task import TrainingTask

MEASURED_STEPS = 5  # of which the mean duration is taken, to see how many steps fit into the time


def adapt(
    renderer: Path,
    clip: Path,
    output: Path,
    minutes: float,
    *,
    device: torch.device,
    seed: int = 0,
    resume: bool = False,
    report: Reporter = SILENT,
) -> bool:
    """Train the renderer in a weights file on one clip for about `minutes`, and write it to `output`.

    The encoder is frozen, so motion models for it stay valid. Samples are not augmented, as only this face matters.
    resume: continue a training that was stopped.
    Returns whether the training finished, as `train` does. Raises `DataError` if renderer and clip do not fit.
    """
    checkpoint = read_checkpoint(renderer, RENDERER)
    module = renderer_training(checkpoint.kind)
    network = module.network_from(checkpoint, renderer).to(device)
    task = module.renderer_task(network, [clip], speakers={}, augment=False, keep_encoder=True)
    task.checkpoint.training = {"clips": [clip.stem], "adapted from": renderer.name}
    steps = _steps_of_state(state_path(output)) if resume else None
    if steps is None:
        steps = max(1, int(60 * minutes / _seconds_per_step(task, module.ADAPTATION, device)))
    settings = replace(module.ADAPTATION, steps=steps, seed=seed)
    return train(task, settings, output, device=device, resume=resume, report=report)


def _steps_of_state(path: Path) -> int | None:
    """The number of steps that a stopped training was going to do in all, as the learning rate depends on it."""
    return read_metadata(path)["training"]["settings"]["steps"] if path.exists() else None


def _seconds_per_step(task: TrainingTask, settings: TrainingSettings, device: torch.device) -> float:
    """Mean duration of a training step, measured on a copy. The first step, which is slower, does not count."""
    objective = copy.deepcopy(task.objective).to(device).train()
    state, seconds = new_state(objective, settings, device, "fp32"), []
    for step in range(1 + MEASURED_STEPS):
        start = time.monotonic()
        batch = task.data.batch(torch.Generator().manual_seed(step), settings.batch_size)
        norm = state.update(objective(prepared(task.data, batch, device)), 0.0, settings.clip)
        norm.item()  # waits for a GPU
        seconds.append(time.monotonic() - start)
    return float(np.mean(seconds[1:]))
