"""A renderer made at home with one speaker: trained on a little with that speaker's clip alone, for so many minutes."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dd_tools.formats.checkpoint import RENDERER, Checkpoint
from dd_tools.renderer.autoencoder import load_renderer
from dd_tools.renderer.objective import MaskedDenoising
from dd_tools.renderer.training import RECIPES, RendererData
from dd_tools.training.loop import new_state, train
from dd_tools.training.settings import TrainingSettings

# Gentler than training from the beginning, and no longer than it takes: one face is soon learnt, others soon forgotten.
SETTINGS = TrainingSettings(
    steps=1, batch_size=8, learning_rate=2e-4, warmup=20, decay=0.5, ema=0.99, save_every=10**9, log_every=20
)

MEASURED = 5  # steps


def adapt(
    renderer: Path,
    clip: Path,
    output: Path,
    minutes: float,
    *,
    device: torch.device,
    seed: int = 0,
    progress: Callable[[Iterator[int], int, Callable[[], str]], Iterator[int]] = lambda steps, *_: steps,
) -> bool:
    """Train the U-Net of the weights file `renderer` on `clip` for about `minutes` and write it to `output`.

    The encoder stays as it is, so the motion models made for it stay valid. Returns whether training finished, as
    `train` does.
    """
    model = load_renderer(renderer).to(device)
    recipe = RECIPES["default"].unaugmented()
    data = RendererData([clip], model.config, recipe)
    objective = MaskedDenoising(model, keep_encoder=True, lips=recipe.lips)
    steps = max(1, int(60 * minutes / _seconds_a_step(objective, data, device)))
    settings = replace(SETTINGS, steps=steps, seed=seed)
    checkpoint = Checkpoint(RENDERER, model.config.to_json(), {}, {"clips": [clip.stem], "adapted from": renderer.name})
    return train(objective, data, settings, checkpoint, output, device=device, progress=progress)


def _seconds_a_step(objective: MaskedDenoising, data: RendererData, device: torch.device) -> float:
    """Measured on a copy, with all that a step of `train` does; the first, which warms up, does not count."""
    objective = copy.deepcopy(objective).to(device).train()
    state, times = new_state(objective, SETTINGS, device, "fp32"), []
    for step in range(1 + MEASURED):
        began = time.monotonic()
        batch = data.batch(torch.Generator().manual_seed(step), SETTINGS.batch_size)
        state.update(objective({name: tensor.to(device) for name, tensor in batch.items()}), 0.0, SETTINGS.clip)
        times.append(time.monotonic() - began)
    return float(np.mean(times[1:]))
