"""dd-import as a user runs it: what it says, what it keeps, and what it refuses."""

import numpy as np
import pytest
import torch
from commands import call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from released import dummy_authors_checkpoint, dummy_released_state, dummy_small_motion, dummy_small_renderer

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import MOTION, RENDERER, read_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both stages as the authors would save them."""
    folder = tmp_path_factory.mktemp("released")
    dummy_authors_checkpoint(folder / "stage1.ckpt", dummy_released_state("renderer-64"), size=64)
    dummy_authors_checkpoint(folder / "stage2.ckpt", dummy_released_state("motion"), stage=2)
    return folder


def test_it_prints_what_was_found_what_was_assumed_and_every_unused_key(folder, tmp_path):
    errors = call("dd-import", folder / "stage1.ckpt", "-o", tmp_path / "r.safetensors").errors
    assert "is DiffDub stage 1: a renderer of 25.8 M values, the moving average\n" in errors
    assert (
        "from the shapes of its tensors: 64 px, z of 512; assumed, as in the authors' code: crop head, mask paper"
        in errors
    )
    expected = "model (506 keys), epoch, pytorch-lightning_version, callbacks, lr_schedulers, optimizer_states, "
    assert f"dd-import: not used: x_T, {expected}hyper_parameters\n" in errors
    errors = call("dd-import", folder / "stage1.ckpt", "-o", tmp_path / "r.safetensors", "--verbose").errors
    assert errors.count("dd-import: not used: model.") == 506
    assert "dd-import: not used: model.out.2.bias\n" in errors
    errors = call("dd-import", folder / "stage2.ckpt", "-o", tmp_path / "m.safetensors").errors
    assert "is DiffDub stage 2: a motion model of 35.1 M values, without a moving average\n" in errors
    assert "25 layers of 1024 speech features" in errors and "chinese-hubert-large" in errors


def test_the_weights_file_tells_where_it_comes_from(folder, tmp_path):
    for stage in (1, 2):
        assert (
            call("dd-import", folder / f"stage{stage}.ckpt", "-o", tmp_path / f"{stage}.safetensors", "-q").status == 0
        )
    weights = read_checkpoint(tmp_path / "1.safetensors", RENDERER)
    assert (weights.stage, weights.kind) == ("renderer", "diffdub")
    assert weights.training == {"imported": "DiffDub stage 1", "file": "stage1.ckpt", "moving average": True}
    assert weights.history[0]["command"] == "dd-import" and list(weights.history[0]["inputs"]) == ["stage1.ckpt"]
    assert read_checkpoint(tmp_path / "2.safetensors", MOTION).training["moving average"] is False


def test_the_noise_is_kept_as_dd_render_takes_it(folder, tmp_path):
    arguments = folder / "stage1.ckpt", "-o", tmp_path / "r.safetensors", "--x-t", tmp_path / "xT.npy"
    assert "x_T" not in call("dd-import", *arguments).errors
    noise = torch.load(folder / "stage1.ckpt", weights_only=False)["state_dict"]["x_T"]
    np.testing.assert_array_equal(np.load(tmp_path / "xT.npy"), noise[0])


@pytest.mark.parametrize(
    "noise", [torch.full((1, 3, 32, 32), torch.nan), torch.zeros(2, 4, 32, 32), torch.zeros(1, 3, 32, 16)]
)
def test_a_bad_checkpoint_changes_no_file(tmp_path, noise):
    state = dummy_small_renderer()
    bad = {
        "noise": state | {"x_T": noise},
        "weights": state | {"x_T": torch.zeros(1, 3, 32, 32), "out.2.bias": torch.ones(7)},
    }
    for content in bad.values():
        torch.save(content, tmp_path / "a.ckpt")
        for name in ("r.safetensors", "x.npy"):
            (tmp_path / name).write_text("old")
        outcome = call("dd-import", tmp_path / "a.ckpt", "-o", tmp_path / "r.safetensors", "--x-t", tmp_path / "x.npy")
        assert (outcome.status, outcome.errors.count("\n")) == (1, 1)
        assert {path.name: path.read_text() for path in tmp_path.glob("[rx].*")} == {
            "r.safetensors": "old",
            "x.npy": "old",
        }


def test_weights_that_cannot_be_written_leave_the_old_noise(tmp_path, monkeypatch):
    def fail(path, checkpoint):
        raise DataError(f"cannot write '{path}': no space left on device")

    monkeypatch.setattr("dd_tools.formats.checkpoint.write_checkpoint", fail)
    (tmp_path / "x.npy").write_text("old")
    dummy_authors_checkpoint(tmp_path / "a.ckpt", dummy_small_renderer())
    outcome = call("dd-import", tmp_path / "a.ckpt", "-o", tmp_path / "r.safetensors", "--x-t", tmp_path / "x.npy")
    assert outcome.status == 1 and (tmp_path / "x.npy").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ckpt", "x.npy"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("stage", [1, 2])
def test_tensors_of_other_shapes_are_one_line(tmp_path, stage, data):
    state = dummy_small_renderer() if stage == 1 else dummy_small_motion()
    for name in data.draw(st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=3)):
        shapes = st.lists(st.integers(0, 3), max_size=4)
        state[name] = torch.zeros(data.draw(shapes))
    torch.save(state, tmp_path / "a.ckpt")
    outcome = call("dd-import", tmp_path / "a.ckpt", "-o", tmp_path / "r.safetensors", "-q")
    assert (outcome.status, outcome.errors.count("\n")) == (1, 1)


@pytest.mark.parametrize("stage", [1, 2])
def test_tensors_keep_the_authors_names_and_values_however_they_are_wrapped(tmp_path, stage):
    state = dummy_small_renderer() if stage == 1 else dummy_small_motion()
    torch.save(state, tmp_path / "bare.ckpt")
    torch.save({f"module.model.{name}": tensor for name, tensor in state.items()}, tmp_path / "prefixed.ckpt")
    dummy_authors_checkpoint(tmp_path / "wrapped.ckpt", state, stage=stage)
    loaded = []
    for name in ("bare", "prefixed", "wrapped"):
        output = tmp_path / f"{name}.safetensors"
        assert call("dd-import", tmp_path / f"{name}.ckpt", "-o", output, "-q", "--no-history") == (0, "", "")
        loaded.append(read_checkpoint(output, RENDERER if stage == 1 else MOTION))
    for other in loaded[1:]:
        assert other.config == loaded[0].config and other.history == []
        assert all(torch.equal(other.tensors[name], tensor) for name, tensor in loaded[0].tensors.items())
    own = {f"{'encoder.' if stage == 2 else ''}{name}": tensor for name, tensor in loaded[0].tensors.items()}
    assert set(own) == set(state) and all(torch.equal(tensor, state[name]) for name, tensor in own.items())


def test_dd_info_tells_what_a_checkpoint_is(folder):
    outcome = call("dd-info", folder / "stage1.ckpt")
    assert outcome.status == 0
    for line in ("kind: renderer, for dd-import", "source: DiffDub stage 1", "values: 25762499", "x_T: 4, 3, 64, 64"):
        assert line in outcome.output


def without(state, *parts):
    return {name: tensor for name, tensor in state.items() if not any(part in name for part in parts)}


def wider(state, name, channels):
    tensor = state[name]
    return state | {name: torch.zeros(len(tensor), channels, *tensor.shape[2:])}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1, 2], "holds no named tensors"),
        ({"state_dict": [1]}, "holds no named tensors"),
        ({"epoch": 1}, "expected DiffDub's stage 1 or 2 or a Diff-AE, found nothing"),
        ({"weight": torch.zeros(2)}, "expected DiffDub's stage 1 or 2 or a Diff-AE, found tensors such as 'weight'"),
        (without(dummy_small_renderer(), "encoder."), "tensors of DiffDub stage 1 are missing or do not fit"),
        (without(dummy_small_renderer(), "output_blocks."), "tensors of DiffDub stage 1 are missing or do not fit"),
        (without(dummy_small_renderer(), "out.2.bias"), "tensor 'out.2.bias' is missing, expected (3,)"),
        (dummy_small_renderer() | {"out.9.bias": torch.zeros(4)}, "tensor 'out.9.bias' is (4,), expected none"),
        (wider(dummy_small_renderer(), "input_blocks.0.0.weight", 9), "is (8, 9, 3, 3), expected (8, 6, 3, 3)"),
        (without(dummy_small_motion(), "out_proj.weight"), "tensors of DiffDub stage 2 are missing or do not fit"),
        (without(dummy_small_motion(), "norm2.bias"), "tensor 'cross_attention.norm2.bias' is missing, expected (16,)"),
        (dummy_small_motion() | {"encoder.weights": torch.zeros(2, 2)}, "tensor 'weights' is (2, 2), expected (2,)"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, content, complaint):
    torch.save(content, tmp_path / "a.ckpt")
    outcome = call("dd-import", tmp_path / "a.ckpt", "-o", tmp_path / "out.safetensors")
    assert (outcome.status, outcome.errors.count("\n")) == (1, 1)
    assert "a.ckpt'" in outcome.errors and complaint in outcome.errors
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]
    assert "again with dd-import" not in outcome.errors
