"""Weights files: what survives, which files are refused, and the messages."""

import json
import struct
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from commands import call
from factories import dummy_clip, dummy_motion_model, dummy_renderer, dummy_warp_motion_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import (
    MOTION,
    RENDERER,
    Checkpoint,
    module_with,
    read_checkpoint,
    read_metadata,
    read_training_state,
    write_checkpoint,
    write_training_state,
)
from dd_tools.pipeline.models import load_motion_model, load_renderer


def dummy_checkpoint(**changes: object) -> Checkpoint:
    content = {
        "stage": RENDERER,
        "kind": "diffdub",
        "config": {"size": 32, "multipliers": [1, 2]},
        "tensors": {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(7)},
        "training": {"clips": ["a"], "augment": True},
        "history": [{"command": "dd-train-ae", "version": "0", "arguments": [], "inputs": {}}],
    }
    return Checkpoint(**content | changes)


def test_everything_survives_the_file(tmp_path):
    written = dummy_checkpoint()
    write_checkpoint(tmp_path / "r.safetensors", written)
    read = read_checkpoint(tmp_path / "r.safetensors", RENDERER)
    for name in ("stage", "kind", "config", "training", "history"):
        assert getattr(read, name) == getattr(written, name)
    assert set(read.tensors) == set(written.tensors)
    assert all(torch.equal(read.tensors[name], tensor) for name, tensor in written.tensors.items())
    metadata = read_metadata(tmp_path / "r.safetensors")
    assert (metadata["format"], metadata["version"], metadata["content"]) == ("dd-weights", 2, RENDERER)
    assert metadata["tensors"] == {"weight": (2, 3), "count": ()}


def test_equal_contents_give_equal_bytes(tmp_path):
    first, second = dummy_checkpoint(), dummy_checkpoint()
    for name in ("tensors", "training", "config"):
        setattr(second, name, dict(reversed(getattr(second, name).items())))
    write_checkpoint(tmp_path / "a.safetensors", first)
    write_checkpoint(tmp_path / "b.safetensors", second)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_training_state_serves_as_the_weights_of_its_moving_average(tmp_path):
    tensors = {"ema.weight": torch.ones(2), "model.weight": torch.zeros(2), "step": torch.tensor(3)}
    write_training_state(tmp_path / "s.safetensors", dummy_checkpoint(tensors=tensors))
    weights = read_checkpoint(tmp_path / "s.safetensors", RENDERER)
    assert (weights.stage, weights.kind) == (RENDERER, "diffdub")
    assert list(weights.tensors) == ["weight"] and weights.tensors["weight"].tolist() == [1, 1]
    assert set(read_training_state(tmp_path / "s.safetensors").tensors) == set(tensors)


def test_another_stage_is_refused(tmp_path):
    path = tmp_path / "r.safetensors"
    write_checkpoint(path, dummy_checkpoint())
    with pytest.raises(DataError, match=r"r.safetensors': it holds a renderer, expected a motion model"):
        read_checkpoint(path, MOTION)
    with pytest.raises(DataError, match=r"r.safetensors': it holds a renderer, expected a training state"):
        read_training_state(path)


def test_an_unknown_kind_of_model_is_refused(tmp_path):
    for stage, load in ((RENDERER, load_renderer), (MOTION, load_motion_model)):
        write_checkpoint(tmp_path / "w.safetensors", dummy_checkpoint(stage=stage, kind="gan"))
        with pytest.raises(DataError, match=r"w.safetensors': unknown kind of model 'gan', expected diffdub or warp"):
            load(tmp_path / "w.safetensors")


OF_VERSION_1 = {
    "format": "dd-weights", "version": 1, "kind": "renderer", "config": {"size": 96}, "training": {}, "history": [],
}  # fmt: skip


@pytest.mark.parametrize("command", ["dd-info", "dd-encode", "dd-train-ae"])
def test_weights_of_version_1_are_refused_with_how_to_replace_them(tmp_path, command):
    old, clip = tmp_path / "old.safetensors", dummy_clip(tmp_path / "clip.h5")
    save_file({"unet.out.2.bias": torch.zeros(3)}, old, metadata={"dd_tools": json.dumps(OF_VERSION_1)})
    arguments = {
        "dd-info": [old],
        "dd-encode": [clip, "--renderer", old, "-o", tmp_path / "l.npy"],
        "dd-train-ae": [clip, "--init", old, "-o", tmp_path / "r.safetensors", "--device", "cpu"],
    }
    outcome = call(command, *arguments[command])
    assert (outcome.status, outcome.output) == (1, "")
    assert outcome.errors == (
        f"{command}: cannot use '{old}': weights version 1, this program reads 2; "
        "train the model again, or convert the authors' checkpoint again with dd-import\n"
    )


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        (None, "a safetensors file of another program; convert the authors' weights with dd-import"),
        ({"format": "pt"}, "a safetensors file of another program"),
        ({"dd_tools": "x"}, "damaged metadata"),
        ({"dd_tools": "[2]"}, "damaged metadata"),
        ({"dd_tools": "{}"}, "damaged metadata"),
        ({"dd_tools": '{"version": 2, "stage": "renderer"}'}, "damaged metadata, without config, content, format, h"),
    ],
)
def test_other_safetensors_files_are_refused(tmp_path, metadata, complaint):
    save_file({"weight": torch.zeros(3)}, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(DataError, match=f"a.safetensors': {complaint}") as caught:
        read_checkpoint(tmp_path / "a.safetensors", RENDERER)
    assert "\n" not in str(caught.value)


METADATA = {
    "format": "dd-weights", "version": 2, "content": "renderer", "stage": "renderer", "kind": "warp", "config": {},
    "training": {}, "history": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"format": "photos"}, 'format is "photos"'),
        ({"content": ["renderer"]}, r'content is \["renderer"\]'),
        ({"stage": "training state"}, 'stage is "training state"'),
        ({"kind": 5}, "kind is 5"),
        ({"config": "x"}, 'config is "x"'),
        ({"training": None}, "training is null"),
        ({"training": {"settings": 3}}, 'training is {"settings": 3}'),
        ({"history": {"command": "x"}}, 'history is {"command": "x"}'),
        ({"history": ["x"]}, r'history is \["x"\]'),
    ],
)
def test_metadata_of_other_types_are_refused(tmp_path, change, found):
    path = tmp_path / "a.safetensors"
    save_file({"weight": torch.zeros(3)}, path, metadata={"dd_tools": json.dumps(METADATA | change)})
    with pytest.raises(DataError, match=rf"a.safetensors': damaged metadata, {found}$"):
        read_checkpoint(path, RENDERER)
    assert call("dd-info", path).errors.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(METADATA).replace('"warp"', '"warp", "kind": "diffdub"'),
        json.dumps(METADATA).replace("[]", "[" * 10**5),
        json.dumps(METADATA).replace("[]", "[" * 40 + "]" * 40),
        json.dumps(METADATA | {"training": {"loss": float("nan")}}),
        json.dumps(METADATA | {"version": "2"}),
        json.dumps(METADATA)[:-1],
    ],
    ids=["a name twice", "deep and cut", "deep", "NaN", "a version that is a text", "cut"],
)
def test_metadata_that_are_no_sound_json_are_refused(tmp_path, text):
    save_file({"weight": torch.zeros(3)}, tmp_path / "a.safetensors", metadata={"dd_tools": text})
    with pytest.raises(DataError, match=r"a.safetensors': (damaged metadata|weights version 2)"):
        read_metadata(tmp_path / "a.safetensors")


HEADERS = [
    '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": {"dtype": "F32", "shape": [1]}}',
    '{"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}}',
    '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, "4"]}}',
    '{"a": 5}',
    '{"__metadata__": 5}',
    "[" * 10**5,
    "[]",
]


@pytest.mark.parametrize("header", HEADERS)
def test_headers_of_other_types_are_refused(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(4))
    with pytest.raises(DataError, match=r"a.safetensors': not a safetensors file$"):
        read_metadata(path)


def test_a_header_that_claims_to_be_large_is_not_read(tmp_path):
    path = tmp_path / "a.safetensors"
    for length in (2**63, 10**10, 10**6):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        with pytest.raises(DataError, match=r"a.safetensors': not a safetensors file$"):
            read_metadata(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, dummy_checkpoint(tensors={"ok": torch.ones(2), "bad": torch.tensor([1.0, value])}))
    with pytest.raises(DataError, match=r"cannot use '.*a.safetensors': tensor 'bad' holds NaN or infinite values"):
        read_checkpoint(path, RENDERER)
    write_training_state(path, dummy_checkpoint(tensors={"ema.bad": torch.tensor(value)}))
    for read in (read_training_state, lambda path: read_checkpoint(path, RENDERER)):
        with pytest.raises(DataError, match=r"tensor '(ema\.)?bad' holds NaN or infinite values"):
            read(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(tmp_path, share):
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    write_checkpoint(whole, dummy_checkpoint())
    content = whole.read_bytes()
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"cut.safetensors': (truncated|not a safetensors file)"):
        read_checkpoint(cut, RENDERER)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_read_or_refused_in_one_line(tmp_path, place, byte):
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, dummy_checkpoint())
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 32))] = byte
    path.write_bytes(content)
    try:
        read_checkpoint(path, RENDERER)
    except DataError as error:
        assert "a.safetensors'" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a safetensors file$"),
        (b"hello, this is text", "not a safetensors file$"),
        (b"PK\x03\x04 of torch.save", "not a safetensors file; convert the authors' checkpoints with dd-import"),
    ],
)
def test_other_files_are_refused(tmp_path, content, complaint):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        read_metadata(tmp_path / "a.safetensors")


def test_no_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none.safetensors': no such file"):
        read_metadata(tmp_path / "none.safetensors")
    with pytest.raises(DataError, match=r"(?i)': is a directory"):
        read_metadata(tmp_path)


def test_a_module_holds_the_tensors_of_the_file_in_its_own_type():
    tensors = {"0.weight": torch.randn(3, 2).half(), "0.bias": torch.randn(3)}
    module = module_with(tensors, lambda: nn.Sequential(nn.Linear(2, 3), nn.Dropout()), "a")
    assert not module.training
    assert module[0].weight.dtype == torch.float32
    torch.testing.assert_close(module[0].weight.detach(), tensors["0.weight"].float())
    assert module[0].bias.data_ptr() == tensors["0.bias"].data_ptr()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"weight": None}, r"tensor 'weight' is missing, expected \(3, 2\)"),
        ({"weight": torch.zeros(2, 2)}, r"tensor 'weight' is \(2, 2\), expected \(3, 2\)"),
        ({"scale": torch.zeros(1)}, r"tensor 'scale' is \(1,\), expected none"),
        ({"bias": torch.zeros(3, dtype=torch.int64)}, r"tensor 'bias' is \(3,\) of integers, expected \(3,\)"),
        ({"bias": torch.full((3,), 1e300, dtype=torch.float64)}, "tensor 'bias' holds NaN or infinite values"),
    ],
)
def test_tensors_that_do_not_fit_the_configuration_are_refused(change, complaint):
    tensors = {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)} | change
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(DataError, match=f"cannot use 'a.safetensors': {complaint}"):
        module_with(tensors, lambda: nn.Linear(2, 3), "a.safetensors")


@pytest.mark.parametrize(("make", "load"), [(dummy_renderer, load_renderer), (dummy_motion_model, load_motion_model)])
def test_a_configuration_that_no_network_has_is_refused_with_the_files_name(tmp_path, make, load):
    path = make(tmp_path / "w.safetensors")
    stage = RENDERER if load is load_renderer else MOTION
    for change, complaint in (
        ({"z_map": True}, "unknown settings .*: z_map"),
        ({"z_size": None}, "missing settings in the model's configuration: z_size"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"dropout": "0"}, "dropout in the model's configuration is '0', expected a number"),
        ({"z_size": 1.5}, "z_size in the model's configuration is 1.5, expected an integer"),
        ({"z_size": True}, "z_size in the model's configuration is True, expected an integer"),
        ({"z_size": 10**9}, "z size must be at most 16384, got 1000000000"),
    ):
        checkpoint = read_checkpoint(make(path), stage)
        changed = checkpoint.config | change
        checkpoint.config = {name: value for name, value in changed.items() if value is not None}
        write_checkpoint(path, checkpoint)
        with pytest.raises(DataError, match=f"cannot use '.*w.safetensors': {complaint}"):
            load(path)


@pytest.mark.parametrize("field", ["blocks", "reference_blocks", "members"])
def test_a_configuration_of_more_blocks_than_the_file_has_tensors_is_refused_at_once(tmp_path, field):
    make = {"blocks": dummy_renderer, "reference_blocks": dummy_motion_model, "members": dummy_warp_motion_model}[field]
    stage, load = (RENDERER, load_renderer) if field == "blocks" else (MOTION, load_motion_model)
    checkpoint = read_checkpoint(make(tmp_path / "w.safetensors"), stage)
    checkpoint.config |= {field: 16000}
    write_checkpoint(tmp_path / "w.safetensors", checkpoint)
    start = time.monotonic()
    with pytest.raises(
        DataError, match=r"w.safetensors': its configuration is that of a larger network than one of \d+"
    ):
        load(tmp_path / "w.safetensors")
    assert time.monotonic() - start < 10


def test_a_training_state_without_a_part_is_refused_in_one_line(tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    dummy_clip(clips / "a.h5")
    output, state = tmp_path / "r.safetensors", tmp_path / "r.state.safetensors"
    options = ("dd-train-ae", clips, "-o", output, "--preset", "tiny", "--steps", 2, "--device", "cpu", "-q")
    kept = []
    with mock.patch.object(Path, "unlink", lambda self, **_: kept.append(self)):
        assert call(*options, "--save-every", 1, "--batch-size", 2)[0] == 0
    saved = read_training_state(state)
    saved.tensors = {name: one for name, one in saved.tensors.items() if name != "model.out.2.bias"}
    write_training_state(state, saved)
    outcome = call(*options, "--save-every", 1, "--batch-size", 2, "--resume")
    assert outcome.status == 1 and outcome.errors.count("\n") == 1
    assert outcome.errors.startswith(f"dd-train-ae: cannot resume from '{state}': damaged training state (")
