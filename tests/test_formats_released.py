"""The reader of released checkpoints: what it recognises and refuses, and that it runs nothing."""

import collections
import os
import pathlib
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from commands import call
from released import dummy_authors_checkpoint, dummy_small_motion, dummy_small_renderer

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import MOTION, RENDERER
from dd_tools.formats.released import count_blocks, read_released


@pytest.mark.parametrize("prefix", ["", "model.", "module.model."])
@pytest.mark.parametrize("stage", [RENDERER, MOTION])
def test_a_network_is_recognised_under_any_prefix(tmp_path, stage, prefix):
    state = dummy_small_renderer() if stage == RENDERER else dummy_small_motion()
    torch.save({f"{prefix}{name}": tensor for name, tensor in state.items()}, tmp_path / "a.ckpt")
    released = read_released(tmp_path / "a.ckpt")
    assert (released.stage, released.prefix, released.averaged) == (stage, prefix, False)
    inner = "encoder." if stage == MOTION else ""
    assert {f"{inner}{name}" for name in released.tensors} == set(state)
    for name, tensor in released.tensors.items():
        assert torch.equal(tensor, state[f"{inner}{name}"])
    assert released.unused == [] and released.x_T is None


def test_the_moving_average_is_taken_and_the_rest_is_named(tmp_path):
    released = read_released(dummy_authors_checkpoint(tmp_path / "a.ckpt", dummy_small_renderer()))
    assert released.averaged and released.prefix == "ema_model."
    assert all(tensor.any() for tensor in released.tensors.values())  # those of ``model.`` are zero
    assert released.x_T.shape == (4, 3, 32, 32)
    groups = released.grouped(released.unused)
    assert groups.pop("model") == len(released.tensors)
    assert set(groups) == {
        "x_T", "epoch", "pytorch-lightning_version", "callbacks", "lr_schedulers", "optimizer_states",
        "hyper_parameters",
    }  # fmt: skip


def test_blocks_are_counted_by_their_numbers():
    names = ["a.0.weight", "a.0.bias", "a.10.weight", "b.7.weight", "a.2.1.weight"]
    assert (count_blocks(names, "a."), count_blocks(names, "b."), count_blocks(names, "c.")) == (3, 1, 0)


class AttributeDict(dict):
    """Passes for the settings Lightning 2 writes, `pytorch_lightning.utilities.parsing.AttributeDict`."""


class Choice:
    """Passes for a setting of the authors' own classes."""


AttributeDict.__module__ = "pytorch_lightning.utilities.parsing"
Choice.__module__ = "choices"


def test_what_training_leaves_is_passed_over_without_being_imported(tmp_path, monkeypatch):
    leftovers = {"hyper_parameters": AttributeDict(lr=1e-4, nested={"a": [1]}), "choice": Choice()}
    leftovers |= {"folder": pathlib.PurePosixPath("/a"), "score": np.float32(0.5), "counts": collections.defaultdict()}
    for kind in (AttributeDict, Choice):  # importable while the pickle is written, and no longer
        package = types.ModuleType(kind.__module__)
        setattr(package, kind.__name__, kind)
        for name in {kind.__module__, kind.__module__.split(".")[0]}:
            monkeypatch.setitem(sys.modules, name, package)
    leftovers["callbacks"] = {AttributeDict: {"best": torch.tensor(1.0)}}
    path = dummy_authors_checkpoint(tmp_path / "a.ckpt", dummy_small_renderer(), **leftovers)
    monkeypatch.undo()
    released = read_released(path)
    assert (released.stage, released.source, released.averaged) == (RENDERER, "DiffDub stage 1", True)
    assert set(leftovers) < set(released.unused)
    assert "choices" not in sys.modules


def test_tensors_that_are_not_finite_are_refused(tmp_path):
    state = dummy_small_motion()
    state["encoder.out_proj.bias"][3] = float("nan")
    torch.save(state, tmp_path / "a.ckpt")
    with pytest.raises(DataError, match=r"a.ckpt': tensor 'out_proj.bias' holds NaN"):
        read_released(tmp_path / "a.ckpt")


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path, function=os.mkdir):
        self.path, self.function = path, function

    def __reduce__(self):
        return self.function, (str(self.path),)


@pytest.mark.parametrize(("function", "named"), [(os.mkdir, "mkdir"), (os.system, "system"), (eval, "builtins.eval")])
@pytest.mark.parametrize("place", ["top", "state_dict"])
def test_code_in_a_checkpoint_is_named_and_not_run(tmp_path, function, named, place):
    content = dummy_small_motion()
    target = tmp_path / "ran" if function is not eval else f"__import__('os').mkdir('{tmp_path / 'ran'}')"
    bad = {"encoder.extra": Malicious(target, function)}
    torch.save(content | bad if place == "top" else {"state_dict": content | bad}, tmp_path / "bad.ckpt")
    outcome = call("dd-import", tmp_path / "bad.ckpt", "-o", tmp_path / "out.safetensors")
    assert (outcome.status, outcome.errors.count("\n")) == (1, 1)
    assert f"{named}', and no code in a checkpoint is run" in outcome.errors
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ckpt"]


def test_a_bare_pickle_is_not_run(tmp_path):
    (tmp_path / "bad.ckpt").write_bytes(pickle.dumps(Malicious(tmp_path / "ran")))
    with pytest.raises(DataError, match="not a checkpoint of PyTorch"):
        read_released(tmp_path / "bad.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ckpt"]
