"""Training a renderer on one speaker: it learns that face and its encoder stays."""

import pytest
import torch
from factories import dummy_clip, dummy_renderer

from dd_tools.renderer import adaptation
from dd_tools.renderer.autoencoder import load_renderer
from dd_tools.renderer.objective import MaskedDenoising
from dd_tools.renderer.training import Recipe, RendererData
from dd_tools.training.settings import TrainingSettings


@pytest.fixture
def quick(monkeypatch):
    """Sixty steps in a minute, whatever the machine."""
    monkeypatch.setattr(adaptation, "_seconds_a_step", lambda *_: 1.0)
    settings = TrainingSettings(steps=1, batch_size=4, learning_rate=2e-3, ema=0.5)
    monkeypatch.setattr(adaptation, "SETTINGS", settings)


def test_adapting_keeps_the_encoder_and_lowers_the_error(tmp_path, quick):
    clip = dummy_clip(tmp_path / "clip.h5", frames=12)
    before = dummy_renderer(tmp_path / "before.safetensors", prediction="x0", from_reference=True)
    assert adaptation.adapt(before, clip, tmp_path / "after.safetensors", 1.0, device=torch.device("cpu"))
    old, new = (load_renderer(tmp_path / f"{name}.safetensors") for name in ("before", "after"))
    for name, tensor in old.encoder.state_dict().items():
        assert torch.equal(tensor, new.encoder.state_dict()[name]), name
    batch = RendererData([clip], old.config, Recipe()).batch(torch.Generator().manual_seed(0), 16)
    with torch.no_grad():
        errors = [MaskedDenoising(model).eval()(batch).item() for model in (old, new)]
    assert errors[1] < 0.7 * errors[0]


def test_the_number_of_steps_follows_from_the_minutes(tmp_path, quick, monkeypatch):
    asked = []
    monkeypatch.setattr(adaptation, "train", lambda *arguments, **_: asked.append(arguments[2]) or True)
    renderer, clip = dummy_renderer(tmp_path / "r.safetensors"), dummy_clip(tmp_path / "c.h5")
    for minutes in (0.001, 2):
        adaptation.adapt(renderer, clip, tmp_path / "o.safetensors", minutes, device=torch.device("cpu"), seed=7)
    assert [(settings.steps, settings.seed) for settings in asked] == [(1, 7), (120, 7)]


def test_a_step_is_as_long_as_it_takes_once_warm_and_changes_nothing(tmp_path, monkeypatch):
    """By a clock that says nine seconds for the first and two for every other."""
    times = iter([0, 9] + [moment for step in range(20) for moment in (10 + 5 * step, 12 + 5 * step)])
    monkeypatch.setattr(adaptation.time, "monotonic", lambda: next(times))
    renderer = load_renderer(dummy_renderer(tmp_path / "r.safetensors"))
    before = {name: tensor.clone() for name, tensor in renderer.state_dict().items()}
    data = RendererData([dummy_clip(tmp_path / "c.h5")], renderer.config, Recipe())
    objective = MaskedDenoising(renderer, keep_encoder=True)
    assert adaptation._seconds_a_step(objective, data, torch.device("cpu")) == 2
    assert all(torch.equal(tensor, renderer.state_dict()[name]) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in renderer.parameters())
