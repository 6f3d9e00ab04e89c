"""dd-train-ae as a user runs it, on made-up clips with the tiny presets."""

import hashlib
import os
import signal
from dataclasses import replace

import pytest
import torch
from commands import call
from factories import dummy_clip, dummy_motion_model, dummy_renderer, dummy_trunk, dummy_warp_renderer
from released import dummy_small_renderer

from dd_tools.diffdub.renderer_data import RendererData
from dd_tools.diffdub.renderer_training import PRESETS
from dd_tools.formats.checkpoint import RENDERER, read_checkpoint, write_checkpoint
from dd_tools.pipeline.models import load_renderer
from dd_tools.training.state import state_path


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "abc":
        dummy_clip(folder / f"{name}.h5")
    return folder


def train(clips, output, *options, preset="tiny"):
    return call("dd-train-ae", clips, "-o", output, "--preset", preset, "--steps", "5", "--device", "cpu", *options)


@pytest.mark.parametrize(("preset", "kind"), [("tiny", "diffdub"), ("tiny-warp", "warp")])
def test_a_renderer_of_either_kind_is_trained(clips, tmp_path, preset, kind):
    output = tmp_path / "r.safetensors"
    outcome = train(clips, output, preset=preset)
    assert (outcome.status, outcome.output) == (0, "")
    weights = read_checkpoint(output, RENDERER)
    assert (weights.kind, weights.training["clips"], weights.training["steps done"]) == (kind, ["a", "b", "c"], 5)
    assert weights.history[0]["command"] == "dd-train-ae"
    assert load_renderer(output).framing.size == 32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "r.csv", "r.safetensors"]


@pytest.mark.parametrize("make", [dummy_renderer, dummy_warp_renderer])
@pytest.mark.parametrize("eyes", [True, False])
@pytest.mark.parametrize("options", [(), ("--no-eyes",)])
def test_weights_to_start_from_keep_their_setting_of_the_eyes(clips, tmp_path, make, eyes, options):
    start, output = make(tmp_path / "start.safetensors", eyes=eyes), tmp_path / "r.safetensors"
    assert call("dd-train-ae", clips, "-o", output, "--steps", 1, "--init", start, "--device", "cpu", *options)[0] == 0
    assert read_checkpoint(output, RENDERER).config["eyes"] == (eyes and not options)


def test_two_clips_of_the_same_name_are_refused_in_one_line(clips, tmp_path):
    other = tmp_path / "more"
    other.mkdir()
    dummy_clip(other / "b.h5")
    outcome = call("dd-train-ae", clips, other / "b.h5", "-o", tmp_path / "r.safetensors", "--preset", "tiny")
    assert outcome.errors == (
        f"dd-train-ae: '{clips / 'b.h5'}' and '{other / 'b.h5'}' have the same name, which names a clip: rename one\n"
    )
    assert outcome.status == 1 and not (tmp_path / "r.safetensors").exists()
    (tmp_path / "out.txt").write_text("b\n")
    left = ("--exclude", tmp_path / "out.txt", clips / "a.h5", tmp_path / "clips" / ".." / "clips" / "a.h5")
    assert train(clips, tmp_path / "r.safetensors", other / "b.h5", *left).status == 0
    assert read_checkpoint(tmp_path / "r.safetensors", RENDERER).training["clips"] == ["a", "c"]


def terminating(draw):
    """A method that draws batches, but the process gets SIGTERM before the third."""
    calls = []

    def draw_or_terminate(self, generator, size):
        calls.append(size)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(self, generator, size)

    return draw_or_terminate


@pytest.mark.parametrize("is_new", [True, False])
def test_a_terminated_training_says_how_to_continue_and_does(clips, tmp_path, monkeypatch, is_new):
    """Also one that started from other weights."""
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    start = [] if is_new else ["--init", dummy_renderer(tmp_path / "start.safetensors")]
    assert train(clips, whole, *start).status == 0
    monkeypatch.setattr(RendererData, "batch", terminating(RendererData.batch))
    stopped = train(clips, cut, *start)
    assert stopped.status == 143 and "the training state is saved, continue with --resume\n" in stopped.errors
    assert state_path(cut).exists() and not cut.exists()
    refused = train(clips, cut, *start, "--resume", "--keep-encoder", "--seed", 1)
    assert refused.status == 2 and "seed was 0 and is 1, keep encoder was none and is true;" in refused.errors
    assert train(clips, cut, *start, "--resume").status == 0
    first, second = (read_checkpoint(path, RENDERER) for path in (whole, cut))
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


def test_changed_options_are_allowed_if_asked_for(clips, tmp_path, monkeypatch):
    output = tmp_path / "r.safetensors"
    monkeypatch.setattr(RendererData, "batch", terminating(RendererData.batch))
    assert train(clips, output).status == 143
    assert train(clips, output, "--resume", "--allow-changes", "--seed", 1, "--dtype", "bf16").status == 0
    assert read_checkpoint(output, RENDERER).training["dtype"] == "bf16"


def test_the_ablations_reach_the_weights_file(clips, tmp_path):
    output = tmp_path / "r.safetensors"
    assert train(clips, output, "--no-eyes", "--no-augment", "--data-fraction", "0.4").status == 0
    weights = read_checkpoint(output, RENDERER)
    assert not weights.config["eyes"] and not weights.training["augment"] and len(weights.training["clips"]) == 1


def test_the_perceptual_loss_of_a_warp_renderer_changes_its_weights_and_is_noted(clips, tmp_path):
    trunk = tmp_path / "trunk.pth"
    dummy_trunk(trunk)
    plain, perceptual = tmp_path / "plain.safetensors", tmp_path / "perceptual.safetensors"
    start = dummy_warp_renderer(tmp_path / "start.safetensors", size=64, attention_at=(16,))
    for name in "abc":
        dummy_clip(clips / f"{name}.h5", size=64)
    assert train(clips, plain, "--init", start, preset="tiny-warp").status == 0
    assert train(clips, perceptual, "--init", start, "--perceptual", trunk, preset="tiny-warp").status == 0
    first, second = (read_checkpoint(path, RENDERER) for path in (plain, perceptual))
    assert "perceptual" not in first.training and second.training["perceptual"] is True
    assert any(not torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    assert set(first.tensors) == set(second.tensors)
    outcome = train(clips, perceptual, "--init", start, "--perceptual", start, preset="tiny-warp")
    assert outcome.status == 1 and "trunk 'alex'" in outcome.errors


def test_a_kept_encoder_stays_as_it_was(clips, tmp_path):
    start, output = dummy_renderer(tmp_path / "start.safetensors"), tmp_path / "r.safetensors"
    assert train(clips, output, "--init", start, "--keep-encoder").status == 0
    before, after = (read_checkpoint(path, RENDERER).tensors for path in (start, output))
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed and not [name for name in changed if name.startswith("encoder.")]


def test_excluded_clips_stay_out_and_names_of_no_clip_are_reported(clips, tmp_path):
    (tmp_path / "names.txt").write_text("a\nnot-there\n")
    output = tmp_path / "r.safetensors"
    outcome = train(clips, output, "--exclude", tmp_path / "names.txt")
    assert outcome.status == 0
    assert f"'{tmp_path / 'names.txt'}': 1 of 2 names match no clip: not-there\n" in outcome.errors
    assert read_checkpoint(output, RENDERER).training["clips"] == ["b", "c"]


def test_training_starts_from_other_weights_with_the_settings_of_their_kind(clips, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    assert train(clips, first).status == 0
    assert call("dd-train-ae", clips, "-o", second, "--init", first, "--steps", "1", "--batch-size", "2").status == 0
    weights = read_checkpoint(second, RENDERER)
    assert weights.training["init"] == "first.safetensors"
    assert weights.config == PRESETS["tiny"].config.to_json()
    assert weights.training["settings"]["learning_rate"] == 1e-4  # the paper's
    assert list(weights.history[0]["inputs"]) == ["first.safetensors"]


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
    first = "input_blocks.0.0.weight"
    assert trained.tensors[first][:, 3:].abs().max() > 0, "the reference has begun to count"
    assert weights.read_bytes() == before


def distill(clips, output, teacher, steps_out, *options):
    return call(
        "dd-train-ae", clips, "-o", output, "--distill", teacher, "--steps-out", steps_out, "--steps", 5,
        "--batch-size", 2, "--device", "cpu", *options,
    )  # fmt: skip


def test_a_renderer_is_distilled_and_its_student_again(clips, tmp_path):
    teacher, two, one = (tmp_path / f"{name}.safetensors" for name in ("teacher", "two", "one"))
    dummy_renderer(teacher, prediction="v", eyes=False)
    assert distill(clips, two, teacher, 2) == (0, "", "")
    assert distill(clips, one, two, 1, "--no-augment").status == 0
    before, after, last = (read_checkpoint(path, RENDERER) for path in (teacher, two, one))
    assert after.config == before.config | {"timesteps": [999, 250]} and last.config["timesteps"] == [999]
    digest = hashlib.sha256(teacher.read_bytes()).hexdigest()
    assert (after.training["teacher"], after.training["teacher_sha256"]) == ("teacher.safetensors", digest)
    assert (after.training["solver"], after.history[0]["inputs"]) == ("ddim", {"teacher.safetensors": digest})
    assert last.training["teacher"] == "two.safetensors" and not last.training["augment"]
    changed = {name for name, tensor in before.tensors.items() if not torch.equal(tensor, after.tensors[name])}
    assert changed and not [name for name in changed if name.startswith("encoder.")]
    shown = call("dd-info", two).output
    assert f"  teacher_sha256: {digest}\n" in shown and "  timesteps: 999, 250\n" in shown


def test_a_terminated_distillation_continues_with_the_same_teacher_only(clips, tmp_path, monkeypatch):
    teacher, whole, cut = (tmp_path / f"{name}.safetensors" for name in ("teacher", "whole", "cut"))
    dummy_renderer(teacher)
    assert distill(clips, whole, teacher, 4).status == 0
    monkeypatch.setattr(RendererData, "batch", terminating(RendererData.batch))
    assert distill(clips, cut, teacher, 4).status == 143
    other = distill(clips, cut, dummy_renderer(tmp_path / "other.safetensors", prediction="v"), 4, "--resume")
    assert (other.status, other.errors.count("\n")) == (1, 1) and "it belongs to another model" in other.errors
    steps = distill(clips, cut, teacher, 2, "--resume")
    assert steps.status == 1 and "timesteps was 4 from" in steps.errors
    weights = read_checkpoint(teacher, RENDERER)
    write_checkpoint(tmp_path / "new.safetensors", replace(weights, history=[{}]))
    changed = distill(clips, cut, tmp_path / "new.safetensors", 4, "--resume")
    assert changed.status == 2 and "teacher was 'teacher.safetensors' and is 'new.safetensors'" in changed.errors
    assert "teacher sha256 was '" in changed.errors
    assert distill(clips, cut, teacher, 4, "--resume").status == 0
    first, second = (read_checkpoint(path, RENDERER) for path in (whole, cut))
    assert all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


@pytest.mark.parametrize(
    ("teacher", "options", "status", "message"),
    [
        ("WARP", ["--steps-out", 2], 2, "w.safetensors': it holds a warp renderer, which has no steps"),
        ("MOTION", ["--steps-out", 2], 1, "it holds a motion model, expected a renderer"),
        ("missing.safetensors", ["--steps-out", 2], 1, "no such file"),
        ("DIFFDUB", ["--steps-out", 3], 2, "steps out must be 1, 2, 4, got 3"),
        ("DIFFDUB", [], 2, "--distill and --steps-out need each other"),
        (None, ["--steps-out", 2], 2, "--distill and --steps-out need each other"),
        ("STUDENT", ["--steps-out", 2], 2, "a teacher of 2 steps cannot be distilled into a student of 2"),
        ("DIFFDUB", ["--steps-out", 1, "--init", "DIFFDUB"], 2, "takes everything from the teacher; leave out --init"),
        ("DIFFDUB", ["--steps-out", 1, "--preset", "tiny"], 2, "leave out --preset"),
        ("DIFFDUB", ["--steps-out", 1, "--perceptual", "x.pth"], 2, "leave out --perceptual"),
        ("DIFFDUB", ["--steps-out", 1, "--no-eyes"], 2, "leave out --no-eyes"),
        (None, ["--init", "STUDENT"], 2, "a distilled renderer cannot be trained further"),
    ],
)
def test_impossible_distillations_are_one_line(clips, tmp_path, teacher, options, status, message):
    files = {"DIFFDUB": dummy_renderer(tmp_path / "d.safetensors")}
    files["STUDENT"] = dummy_renderer(tmp_path / "s.safetensors", timesteps=(950, 450))
    files["WARP"] = dummy_warp_renderer(tmp_path / "w.safetensors")
    files["MOTION"] = dummy_motion_model(tmp_path / "m.safetensors")
    given = [files.get(option, option) for option in [*(["--distill", teacher] if teacher else []), *options]]
    outcome = call("dd-train-ae", clips, "-o", tmp_path / "r.safetensors", *given)
    assert (outcome.status, outcome.output, outcome.errors.count("\n")) == (status, "", 1)
    assert outcome.errors.startswith("dd-train-ae: ") and message in outcome.errors
    assert not (tmp_path / "r.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "huge"], "unknown preset 'huge', expected paper, small, tiny, warp, tiny-warp"),
        (["--dtype", "fp8"], "unknown dtype 'fp8'"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--seed", "-1"], "invalid value for '--seed':"),
        (["--seed", str(2**63)], "invalid value for '--seed':"),
        (["--data-fraction", "0"], "data fraction"),
        (["--preset", "tiny", "--batch-size", "0"], "batch size must be at least 1"),
        (
            ["--preset", "small", "--perceptual", "none.pth"],
            "training of a diffdub renderer has no option --perceptual",
        ),
        (
            ["--init", "DIFFDUB", "--perceptual", "none.pth"],
            "training of a diffdub renderer has no option --perceptual",
        ),
        (["--init", "DIFFDUB", "--preset", "warp"], "holds a diffdub renderer, preset 'warp' is of another kind"),
        (["--init", "WARP", "--preset", "paper"], "holds a warp renderer, preset 'paper' is of another kind"),
    ],
)
def test_impossible_options_are_one_line_with_status_2(clips, tmp_path, options, message):
    files = {"DIFFDUB": dummy_renderer(tmp_path / "d.safetensors")}
    files["WARP"] = dummy_warp_renderer(tmp_path / "w.safetensors")
    given = [files.get(option, option) for option in options]
    outcome = call("dd-train-ae", clips, "-o", tmp_path / "r.safetensors", *given)
    assert (outcome.status, outcome.output, outcome.errors.count("\n")) == (2, "", 1)
    assert outcome.errors.startswith("dd-train-ae: ") and message in outcome.errors
    assert not (tmp_path / "r.safetensors").exists()


def test_a_motion_model_is_nothing_to_start_a_renderer_from(clips, tmp_path):
    start = dummy_motion_model(tmp_path / "m.safetensors")
    outcome = call("dd-train-ae", clips, "-o", tmp_path / "r.safetensors", "--init", start)
    assert outcome.status == 1 and "it holds a motion model, expected a renderer" in outcome.errors


def test_clips_of_another_framing_than_the_presets_are_refused(clips, tmp_path):
    """The default preset takes clips as dd-prep makes them."""
    outcome = call("dd-train-ae", clips, "-o", tmp_path / "r.safetensors", "--device", "cpu")
    assert (outcome.status, outcome.errors.count("\n")) == (1, 1)
    assert (
        "a.h5': prepared with --size 32 --crop face --mask steady, "
        "the renderer takes --size 192, or another multiple of 96, --crop face --mask steady\n"
    ) in outcome.errors
