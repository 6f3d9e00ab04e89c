"""External weights: every kind of file, no pickled code run, tensors that do not fit are named."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_names import is_possible
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


@pytest.mark.parametrize("file", ["a.pth", "a.safetensors", "a.npz"])
def test_the_name_of_a_file_need_not_be_utf_8(file):
    if not is_possible("M\udcfcller"):
        pytest.skip("this system has no such names")
    writers = {".pth": torch.save, ".safetensors": save_file, ".npz": lambda state, name: np.savez(name, **state)}
    writers[file[1:]](STATE, file)
    odd = Path(file).rename(f"M\udcfcller{file}")
    assert read_weights(odd).keys() == STATE.keys()


def test_a_fingerprint_is_that_of_the_bytes_in_any_type():
    values = {"a": torch.tensor([1.0, -2.5]), "scalar": torch.tensor(3.0)}
    for dtype in (torch.float32, torch.float16, torch.float64, torch.bfloat16):
        digest = hashlib.sha256()
        for name, numbers in (("a", [1.0, -2.5]), ("scalar", [3.0])):
            # The upper half of a float32 is the bfloat16 of the same value, if it is one.
            halves = np.array(numbers, "<f4").view("<u2")[1::2]
            digest.update(name.encode())
            known = dtype is torch.bfloat16
            digest.update(halves.tobytes() if known else np.array(numbers, str(dtype).split(".")[1]).tobytes())
        assert fingerprint({name: value.to(dtype) for name, value in values.items()}) == digest.hexdigest()[:8]


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.npz"])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(name, value):
    state = {"good": torch.ones(2), "bad": torch.tensor([1.0, value])}
    save = {".pth": torch.save, ".safetensors": save_file}.get(name[1:])
    if save:
        save(state, name)
    else:
        np.savez(name, **{key: tensor.numpy() for key, tensor in state.items()})
    with pytest.raises(DataError, match=rf"^cannot use '{name}': tensor 'bad' holds NaN or infinite values$"):
        read_weights(name)


def test_what_torch_would_load_is_what_is_checked():
    """An old pickle before a zip archive: PyTorch looks at the beginning, Python's module at the end."""
    torch.save({"a": Harmful()}, "a.pth", _use_new_zipfile_serialization=False)
    torch.save(STATE, "zip.pth")
    Path("a.pth").write_bytes(Path("a.pth").read_bytes() + Path("zip.pth").read_bytes())
    with pytest.raises(DataError, match="pickled code is never run"):
        read_weights("a.pth")
    assert not Path("harm").exists()


def test_an_archive_that_would_grow_is_refused(tmp_path):
    np.savez_compressed("bomb.npz", a=np.zeros(50_000_000, np.float32))
    assert os.path.getsize("bomb.npz") < 300_000
    with pytest.raises(DataError, match=r"cannot read 'bomb.npz': not a weights file \(its arrays are larger than"):
        read_weights("bomb.npz")
    np.savez_compressed("sound.npz", a=np.random.default_rng(0).standard_normal(1000))
    assert read_weights("sound.npz")["a"].shape == (1000,)


@pytest.mark.parametrize("name", ["a.pth", "old.model", "a.npz", "a.safetensors"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_read_or_refused_in_one_line(name, data):
    save = {
        "a.pth": lambda: torch.save(STATE, "a.pth"),
        "old.model": lambda: torch.save(STATE, "old.model", _use_new_zipfile_serialization=False),
        "a.npz": lambda: np.savez("a.npz", **{key: tensor.numpy() for key, tensor in STATE.items()}),
        "a.safetensors": lambda: save_file(STATE, "a.safetensors"),
    }
    save[name]()
    content = bytearray(Path(name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    Path(name).write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    try:
        read_weights(name)
    except DataError as error:
        assert name in str(error) and "\n" not in str(error)


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
    (tmp_path / "empty.pth").touch()
    with pytest.raises(
        DataError, match=r"^cannot read 'empty.pth': not a weights file \(pickle exhausted before seeing STOP\)$"
    ):
        read_weights("empty.pth")
