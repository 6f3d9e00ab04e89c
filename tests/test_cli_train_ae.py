"""dd-train-ae as a user runs it, on made-up clips with the tiny preset."""

import json
import os
import signal

import pytest
import torch
from commands import call
from factories import dummy_clip, dummy_renderer, dummy_trunk
from released import dummy_small_renderer

from dd_tools.formats.checkpoint import RENDERER, read_checkpoint
from dd_tools.renderer.config import PRESETS, RendererConfig
from dd_tools.renderer.training import RendererData
from dd_tools.training.state import state_path


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "abc":
        dummy_clip(folder / f"{name}.h5")
    return folder


def train(clips, output, *options):
    return call("dd-train-ae", clips, "-o", output, "--preset", "tiny", "--steps", "5", "--device", "cpu", *options)


@pytest.mark.parametrize("name", PRESETS)
def test_configurations_survive_json(name):
    config = PRESETS[name]
    assert json.loads(json.dumps(config.to_json())) == config.to_json()
    assert RendererConfig.from_json(config.to_json()) == config


def test_a_terminated_training_resumes_to_the_same_weights(clips, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    assert train(clips, whole).status == 0
    draw, calls = RendererData.batch, []

    def terminate_at_the_third(self, generator, size):
        calls.append(size)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(self, generator, size)

    monkeypatch.setattr(RendererData, "batch", terminate_at_the_third)
    stopped = train(clips, cut)
    assert stopped.status == 143 and "go on with --resume" in stopped.errors
    assert state_path(cut).exists() and not cut.exists()
    assert train(clips, cut, "--resume").status == 0
    first, second = (read_checkpoint(path, RENDERER) for path in (whole, cut))
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    assert first.training["clips"] == ["a", "b", "c"] and first.training["steps done"] == 5
    assert first.history[0]["command"] == "dd-train-ae"


def test_the_ablations_reach_the_weights_file(clips, tmp_path):
    output = tmp_path / "r.safetensors"
    assert train(clips, output, "--no-eyes", "--no-augment", "--data-fraction", "0.4").status == 0
    weights = read_checkpoint(output, RENDERER)
    assert not weights.config["eyes"] and not weights.training["augment"] and len(weights.training["clips"]) == 1


def test_the_perceptual_loss_reaches_the_weights_and_is_told(clips, tmp_path):
    dummy_trunk(tmp_path / "trunk.pth")
    plain, judged = tmp_path / "plain.safetensors", tmp_path / "judged.safetensors"
    size = {"size": 64, "attention_at": (16,)}
    start = dummy_renderer(tmp_path / "start.safetensors", **size)
    for name in "abc":
        dummy_clip(clips / f"{name}.h5", size=64)
    assert train(clips, plain, "--init", start).status == 0
    assert train(clips, judged, "--init", start, "--perceptual", tmp_path / "trunk.pth").status == 0
    first, second = (read_checkpoint(path, RENDERER) for path in (plain, judged))
    assert (first.training["perceptual"], second.training["perceptual"]) == (False, True)
    assert not torch.equal(first.tensors["unet.out.2.weight"], second.tensors["unet.out.2.weight"])
    assert set(first.tensors) == set(second.tensors)
    outcome = train(clips, judged, "--init", start, "--perceptual", start)
    assert outcome.status == 1 and "trunk 'alex'" in outcome.errors


def test_excluded_clips_stay_out_and_weights_can_be_gone_on_from(clips, tmp_path):
    (tmp_path / "names.txt").write_text("a\nnot-there\n")
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    outcome = train(clips, first, "--exclude", tmp_path / "names.txt")
    assert (
        outcome.status == 0
        and f"'{tmp_path / 'names.txt'}': 1 of 2 names are of no clip here: not-there" in outcome.errors
    )
    assert read_checkpoint(first, RENDERER).training["clips"] == ["b", "c"]
    assert call("dd-train-ae", clips, "-o", second, "--init", first, "--steps", "1", "--batch-size", "2").status == 0
    weights = read_checkpoint(second, RENDERER)
    assert (
        weights.training["init"] == "first.safetensors" and RendererConfig.from_json(weights.config) == PRESETS["tiny"]
    )


def test_one_step_of_the_paper_preset_from_an_imported_diff_ae(tmp_path):
    """In the authors' layout and framing, small; the test clips are kept out."""
    state = dummy_small_renderer(size=64, multipliers=(1, 1, 2), encoder_multipliers=(1, 1, 2, 2))
    state["input_blocks.0.0.weight"] = state["input_blocks.0.0.weight"][:, :3].clone()
    torch.save(state, tmp_path / "ffhq.ckpt")
    weights = tmp_path / "ffhq.safetensors"
    assert call("dd-import", tmp_path / "ffhq.ckpt", "-o", weights, "-q") == (0, "", "")
    (tmp_path / "clips").mkdir()
    for name in ("RD_Radio1_000", "RD_Radio34_006"):
        dummy_clip(tmp_path / "clips" / f"{name}.h5", size=64, crop="head", mask="paper")
    (tmp_path / "test-ids.txt").write_text("RD_Radio34_006\n")
    before = weights.read_bytes()
    outcome = call(
        "dd-train-ae", tmp_path / "clips", "-o", tmp_path / "r.safetensors", "--preset", "paper", "--init", weights,
        "--exclude", tmp_path / "test-ids.txt", "--steps", 1, "--batch-size", 2, "--device", "cpu",
    )  # fmt: skip
    assert outcome.status == 0, outcome
    trained, start = (read_checkpoint(path, RENDERER) for path in (tmp_path / "r.safetensors", weights))
    assert trained.config == start.config
    assert trained.training["clips"] == ["RD_Radio1_000"]
    settings = trained.training["settings"]
    assert (settings["learning_rate"], settings["weight_decay"], settings["clip"], settings["ema"]) == (
        1e-4, 0.0, 1.0, 0.9999,
    )  # fmt: skip
    first = "unet.input_blocks.0.0.weight"
    assert trained.tensors[first][:, 3:].abs().max() > 0, "the reference has begun to count"
    assert weights.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "huge"], "unknown preset 'huge'"),
        (["--dtype", "fp8"], "unknown dtype 'fp8'"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--data-fraction", "0"], "data fraction"),
        (["--preset", "tiny", "--batch-size", "0"], "batch size must be at least 1"),
    ],
)
def test_impossible_options_are_one_line_with_status_2(clips, tmp_path, options, message):
    outcome = call("dd-train-ae", clips, "-o", tmp_path / "r.safetensors", *options)
    assert outcome.status == 2 and message in outcome.errors and outcome.errors.count("\n") == 1
