"""The reader of released checkpoints: what it recognises, refuses and reads off shapes, and that it runs nothing."""

import collections
import os
import pathlib
import pickle
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from commands import call
from hypothesis import given, settings
from hypothesis import strategies as st
from released import dummy_authors_checkpoint, dummy_small_motion, dummy_small_renderer
from torch import nn

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import MOTION, RENDERER
from dd_tools.formats.reference_checkpoint import read_reference_checkpoint
from dd_tools.formats.reference_names import RELEASED
from dd_tools.motion.released import released_config as motion_config
from dd_tools.renderer.autoencoder import Renderer, load_renderer
from dd_tools.renderer.config import PRESETS
from dd_tools.renderer.released import released_config


def ours(kind, state):
    return {RELEASED[kind].ours(name): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("kind", "theirs", "name"),
    [
        (RENDERER, "time_embed.time_embed.2.bias", "unet.time_embed.2.bias"),
        (RENDERER, "output_blocks.3.1.qkv.weight", "unet.output_blocks.3.1.qkv.weight"),
        (RENDERER, "out.2.weight", "unet.out.2.weight"),
        (RENDERER, "encoder.out.3.weight", "encoder.out.3.weight"),
        (MOTION, "encoder.weights", "layer_weights"),
        (MOTION, "encoder.down_sample_audio_nar.weight", "downsample.weight"),
        (MOTION, "encoder.coarse_decoder.encoders.3.norm_ff.bias", "decoder.blocks.3.norm_ff.bias"),
        (MOTION, "encoder.cross_attention.self_attn.in_proj_weight", "cross_attention.self_attn.in_proj_weight"),
        (MOTION, "encoder.out_proj.bias", "out_proj.bias"),
    ],
)
def test_names(kind, theirs, name):
    assert RELEASED[kind].ours(theirs) == name


layouts = st.builds(
    dict,
    channels=st.sampled_from([4, 8]),
    multipliers=st.sampled_from([(1,), (1, 2), (2, 1), (1, 1, 2)]),
    encoder_channels=st.sampled_from([4, 8]),
    encoder_multipliers=st.sampled_from([(1, 2), (1, 1, 2, 2)]),
    blocks=st.integers(1, 3),
    z_size=st.integers(1, 9),
    embedding_size=st.integers(2, 9),
)


@settings(max_examples=15, deadline=None)
@given(layouts, st.data())
def test_the_shapes_of_a_renderer_tell_its_configuration(layout, data):
    """With attention at 16 px and maybe at larger maps, as long as some level has it."""
    levels = len(layout["multipliers"])
    size = 16 * 2 ** data.draw(st.integers(0, levels - 1))
    attention = (16,) if size == 16 else data.draw(st.sampled_from([(16,), (32, 16)]))
    changes = layout | {"size": size, "attention_at": attention}
    expected = replace(PRESETS["paper"], **changes)
    assert released_config(ours(RENDERER, dummy_small_renderer(**changes))) == expected


def test_noise_tells_the_size_where_attention_does_not():
    tensors = ours(RENDERER, dummy_small_renderer(size=8, encoder_multipliers=(1,)))
    assert (released_config(tensors, 8).size, released_config(tensors, 8).attention_at) == (8, ())
    with pytest.raises(LookupError):
        released_config(tensors)


def test_the_shapes_of_a_motion_model_tell_its_configuration():
    changes = {"speech_layers": 4, "speech_width": 6, "z_size": 24, "width": 24, "heads": 4, "hidden": 5, "kernel": 7}
    changes |= {"reference_blocks": 3, "speech_blocks": 1, "decoder_blocks": 2}
    found = motion_config(ours(MOTION, dummy_small_motion(**changes)))
    assert {name: getattr(found, name) for name in changes} == changes


def test_a_diff_ae_becomes_a_renderer_that_does_not_see_the_reference(tmp_path):
    """Against the same network with a first convolution of three channels and no reference at all."""
    state = dummy_small_renderer()
    state["input_blocks.0.0.weight"] = state["input_blocks.0.0.weight"][:, :3].clone()
    state |= {"latent_net.layers.0.weight": torch.zeros(2)}
    dummy_authors_checkpoint(tmp_path / "ffhq.ckpt", state)
    outcome = call("dd-import", tmp_path / "ffhq.ckpt", "-o", tmp_path / "ffhq.safetensors")
    assert outcome.status == 0
    assert "is Diff-AE: a renderer of" in outcome.errors and "ema_model.latent_net, " in outcome.errors
    renderer = load_renderer(tmp_path / "ffhq.safetensors")

    original = Renderer(renderer.config).eval()
    original.unet.input_blocks[0][0] = nn.Conv2d(3, 8, 3, padding=1)
    del state["latent_net.layers.0.weight"]
    original.load_state_dict(ours(RENDERER, state))
    x, reference = torch.randn(2, 2, 3, 32, 32)
    t, z = torch.tensor([0, 700]), torch.randn(2, 16)
    with torch.inference_mode():
        expected = original(x, reference[:, :0], t, z)
        torch.testing.assert_close(renderer(x, reference, t, z), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(renderer.encode(x), original.encode(x))
    assert expected.std() > 1e-3


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
    released = read_reference_checkpoint(path)
    assert (released.kind, released.source, released.averaged) == (RENDERER, "DiffDub stage 1", True)
    assert set(leftovers) < set(released.unused)
    assert "choices" not in sys.modules


def test_tensors_that_are_not_finite_are_refused(tmp_path):
    state = dummy_small_motion()
    state["encoder.out_proj.bias"][3] = float("nan")
    torch.save(state, tmp_path / "a.ckpt")
    with pytest.raises(DataError, match=r"a.ckpt': tensor 'out_proj.bias' holds NaN"):
        read_reference_checkpoint(tmp_path / "a.ckpt")


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
    assert f"{named}', and no code of a checkpoint is run" in outcome.errors
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ckpt"]


def test_a_bare_pickle_is_not_run(tmp_path):
    (tmp_path / "bad.ckpt").write_bytes(pickle.dumps(Malicious(tmp_path / "ran")))
    with pytest.raises(DataError, match="not a checkpoint of PyTorch"):
        read_reference_checkpoint(tmp_path / "bad.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ckpt"]


def without(state, *parts):
    return {name: tensor for name, tensor in state.items() if not any(part in name for part in parts)}


def wider(state, name, channels):
    tensor = state[name]
    return state | {name: torch.zeros(len(tensor), channels, *tensor.shape[2:])}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1, 2], "no named tensors in it"),
        ({"state_dict": [1]}, "no named tensors in it"),
        ({"epoch": 1}, "expected DiffDub's stage 1 or 2 or a Diff-AE, found nothing"),
        ({"weight": torch.zeros(2)}, "expected DiffDub's stage 1 or 2 or a Diff-AE, found tensors such as 'weight'"),
        (without(dummy_small_renderer(), "encoder."), "its tensors do not make up DiffDub stage 1"),
        (without(dummy_small_renderer(), "output_blocks."), "its tensors do not make up DiffDub stage 1"),
        (without(dummy_small_renderer(), "out.2.bias"), "tensor 'unet.out.2.bias' is missing, expected (3,)"),
        (dummy_small_renderer() | {"out.9.bias": torch.zeros(4)}, "tensor 'unet.out.9.bias' is (4,), expected none"),
        (wider(dummy_small_renderer(), "input_blocks.0.0.weight", 9), "is (8, 9, 3, 3), expected (8, 6, 3, 3)"),
        (without(dummy_small_motion(), "out_proj.weight"), "its tensors do not make up DiffDub stage 2"),
        (without(dummy_small_motion(), "norm2.bias"), "tensor 'cross_attention.norm2.bias' is missing, expected (16,)"),
        (
            dummy_small_motion() | {"encoder.weights": torch.zeros(2, 2)},
            "tensor 'layer_weights' is (2, 2), expected (2,)",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, content, complaint):
    torch.save(content, tmp_path / "a.ckpt")
    outcome = call("dd-import", tmp_path / "a.ckpt", "-o", tmp_path / "out.safetensors")
    assert (outcome.status, outcome.errors.count("\n")) == (1, 1)
    assert "a.ckpt'" in outcome.errors and complaint in outcome.errors
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]
