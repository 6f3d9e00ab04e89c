"""External weights: every kind of file, no pickled code run, tensors that do not fit are named."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dd_tools.errors import DataError
from dd_tools.formats.external_weights import fingerprint, load_into, read_weights

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.0, 2.0])}


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_kind_of_file_holds_the_same():
    torch.save(STATE, "new.pth")
    torch.save(STATE, "old.model", _use_new_zipfile_serialization=False)
    save_file(STATE, "a.safetensors")
    np.savez("a.npz", **{name: tensor.numpy() for name, tensor in STATE.items()})
    states = [read_weights(path) for path in ("new.pth", "old.model", "a.safetensors", "a.npz")]
    assert len({fingerprint(state) for state in states}) == 1
    for state in states:
        assert state.keys() == STATE.keys()
        assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_the_fingerprint_depends_on_values_and_names():
    others = [STATE | {"a.bias": torch.tensor([1.0, 3.0])}, {"b.weight": STATE["a.weight"], "a.bias": STATE["a.bias"]}]
    assert len({fingerprint(state) for state in (STATE, *others)}) == 3


@pytest.mark.parametrize("is_zip", [True, False])
def test_pickled_code_is_not_run(is_zip, tmp_path):
    torch.save({"a": Harmful()}, "bad.model", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(DataError, match=r"cannot read 'bad.model': not a plain state dict"):
        read_weights("bad.model")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "a.pth"])
def test_a_file_without_weights_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(DataError, match=f"cannot read '{name}': "):
        read_weights(name)
    with pytest.raises(DataError, match=r"cannot read 'gone.pth': no such file"):
        read_weights("gone.pth")
    torch.save([1, 2], "list.pth")
    with pytest.raises(DataError, match=r"cannot use 'list.pth': not a state dict"):
        read_weights("list.pth")


def test_a_tensor_that_does_not_fit_is_named_and_nothing_loaded():
    network = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 2)})
    before = network["a"].bias.clone()
    with pytest.raises(DataError, match=r"cannot use 'f' as a test: 'a.weight' has shape \(2, 4\), expected \(2, 3\)"):
        load_into(network, STATE | {"a.weight": torch.zeros(2, 4)}, "f", "a test")
    with pytest.raises(DataError, match=r"'a.weight' is missing"):
        load_into(network, {"a.bias": STATE["a.bias"]}, "f", "a test")
    assert torch.equal(network["a"].bias, before)
    load_into(network, STATE | {"more": torch.zeros(1)}, "f", "a test")
    assert torch.equal(network["a"].bias, STATE["a.bias"])


def test_an_empty_file_is_a_one_line_error(tmp_path):
    """torch's error has no message."""
    (tmp_path / "empty.pth").touch()
    with pytest.raises(DataError, match=r"^cannot read 'empty.pth': not a weights file \(EOFError\)$"):
        read_weights("empty.pth")
