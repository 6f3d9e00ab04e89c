"""Adapting a renderer does what it is for: it does not paint the clip that it was adapted to worse than before."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from factories import dummy_clip
from line import Stopping

from dd_tools.formats.checkpoint import RENDERER, read_checkpoint
from dd_tools.pipeline.adapt import adapt
from dd_tools.pipeline.training import renderer_training, set_up_renderer_training
from dd_tools.training.loop import train

CPU = torch.device("cpu")
MINUTES = 0.03


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return dummy_clip(tmp_path_factory.mktemp("clip") / "clip.h5", frames=12)


@pytest.fixture(scope="module", params=["tiny", "tiny-warp"])
def renderer(request, clip, tmp_path_factory):
    """Weights that know the clip a little, as those that ship know faces."""
    output = tmp_path_factory.mktemp("renderer") / "renderer.safetensors"
    task, settings = set_up_renderer_training([clip], preset=request.param, augment=False)
    settings = replace(settings, steps=60, batch_size=8, learning_rate=3e-3, decay=0.8, ema=0.9)
    assert train(task, settings, output, device=CPU)
    return output


@torch.no_grad()
def masked_loss(path: Path, clip: Path) -> float:
    """The training loss of weights on 64 fixed samples of the clip, all inside the mask."""
    checkpoint = read_checkpoint(path, RENDERER)
    room = renderer_training(checkpoint.kind)
    task = room.renderer_task(room.network_from(checkpoint, path), [clip], speakers={}, augment=False)
    batches = [task.data.batch(torch.Generator().manual_seed(seed), 8) for seed in range(8)]
    return sum(task.objective.eval()(task.data.prepare(batch)).item() for batch in batches) / len(batches)


def test_adapting_does_not_raise_the_loss_and_leaves_the_latents_alone(renderer, clip, tmp_path):
    adapted = tmp_path / "adapted.safetensors"
    assert adapt(renderer, clip, adapted, MINUTES, device=CPU)
    before, after = (read_checkpoint(path, RENDERER) for path in (renderer, adapted))
    assert after.training["settings"]["steps"] > 1 and after.training["adapted from"] == "renderer.safetensors"
    assert masked_loss(adapted, clip) <= masked_loss(renderer, clip)
    changed = {name for name, tensor in before.tensors.items() if not torch.equal(tensor, after.tensors[name])}
    assert changed and not [name for name in changed if name.startswith(("encoder.", "normalise."))]


def test_a_stopped_adaptation_goes_on_to_the_number_of_steps_that_it_was_going_to_do(
    renderer, clip, tmp_path, monkeypatch
):
    """Whatever the speed of the machine is now."""
    output = tmp_path / "adapted.safetensors"
    monkeypatch.setattr("dd_tools.pipeline.adapt._seconds_per_step", lambda *_: 60 * MINUTES / 6)
    assert not adapt(renderer, clip, output, MINUTES, device=CPU, report=Stopping(3))
    monkeypatch.setattr("dd_tools.pipeline.adapt._seconds_per_step", lambda *_: 60 * MINUTES / 60)
    assert adapt(renderer, clip, output, MINUTES, device=CPU, resume=True)
    notes = read_checkpoint(output, RENDERER).training
    assert notes["settings"]["steps"] == notes["steps done"] == 6
