"""PyTorch files of strangers: none runs code, hangs, or takes more memory than it is long."""

import io
import json
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections import OrderedDict

import pytest
import torch
from commands import call as command
from pickles import call, dictionary, integer, nested, nested_lists, storage, tensor, text, write
from released import dummy_authors_checkpoint, dummy_small_motion, dummy_small_renderer

from dd_tools.errors import DataError
from dd_tools.formats.external_weights import read_weights
from dd_tools.formats.pickle_checks import names_in_pickle, names_in_zip

MARKER = text("encoder.down_sample_audio_nar.weight")  # of a motion model
ONE = tensor((1,), (1,))

META = b"ctorch\nfloat32\n", b"K\1\x85", b"K\1\x85", b"\x89"  # type, shape, strides, no gradient

HOSTILE = {
    "a key that takes forever to hash": dictionary(nested(60), ONE),
    "a set of one": call("__builtin__.set", b"](" + nested(60) + b"e"),
    "a dictionary made of such pairs": call("collections.OrderedDict", b"](" + nested(60) + b"K\1\x86e"),
    "lists that take forever to print": dictionary(text("a"), nested_lists(60)),
    "a storage whose name is one": dictionary(MARKER, nested(60) + b"Q"),
    "a call of what is no function": dictionary(MARKER, nested(60) + b")R"),
    "a call of a text": dictionary(MARKER, text("os.system") + b")R"),
    "an object of what is no class": dictionary(MARKER, nested(60) + b")\x81"),
    "a long text, a million times": dictionary(text("a"), text("x" * 10**5) + b"r\1\0\0\0" + nested(20)),
    "a block of memory": dictionary(MARKER, call("__builtin__.bytearray", integer(10**11))),
    "a tensor of a class": dictionary(MARKER, call("torch.FloatTensor", integer(10**10))),
    "a storage of bytes": dictionary(MARKER, call("torch.storage.UntypedStorage", integer(10**11))),
    "a tensor without numbers": dictionary(MARKER, call("torch._utils._rebuild_meta_tensor_no_storage", *META)),
    "a tensor expanded to a terabyte": dictionary(MARKER, tensor((10**6, 10**6), (0, 0))),
    "a tensor beyond its storage": dictionary(MARKER, tensor((10**6,), (1,))),
    "a storage that claims to be large": dictionary(MARKER, tensor((10**10,), (1,), storage(count=10**10))),
    "a negative storage": dictionary(MARKER, tensor((1,), (1,), storage(count=-5))),
    "a storage that is not there": dictionary(MARKER, tensor((1,), (1,), storage(key="../../etc/passwd"))),
    "an integer of a thousand digits": dictionary(integer(10**500), ONE),
    "an instruction too many": b"0" + dictionary(MARKER, ONE),
    "nothing": b"",
}  # fmt: skip

READ = """
import json, resource, sys
from pathlib import Path
from dd_tools.errors import DataError
from dd_tools.formats.external_weights import read_weights
from dd_tools.formats.released import read_released
found = {}
for path in map(Path, sys.argv[1:]):
    for read in (read_released, read_weights):
        try:
            read(path)
        except DataError as error:
            found[f"{path.stem} {read.__name__}"] = str(error)
print(json.dumps([found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def read_all(*paths):
    """The errors of reading the files in another process, by file and reader, and the memory that it took in KiB."""
    done = subprocess.run([sys.executable, "-c", READ, *paths], capture_output=True, text=True, timeout=300, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_hostile_files_are_one_line_in_no_time_and_memory(tmp_path):
    paths = [write(tmp_path / f"{name}.ckpt", content) for name, content in HOSTILE.items()]
    _, before = read_all()
    errors, taken = read_all(*paths)
    for name in HOSTILE:
        for reader in ("read_released", "read_weights"):
            assert str(tmp_path / f"{name}.ckpt") in errors[f"{name} {reader}"], name
            assert "\n" not in errors[f"{name} {reader}"]
    assert taken - before < 50_000


@pytest.mark.parametrize("how", [{"compression": zipfile.ZIP_DEFLATED}, {"twice": True}])
def test_a_zip_that_hides_its_size_or_content_is_refused(tmp_path, how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write(tmp_path / "a.ckpt", dictionary(text("a" * 10**5), ONE), **how)
    with pytest.raises(ValueError, match=r"compressed|same name"):
        names_in_zip(path)
    with pytest.raises(DataError):
        read_weights(path)


@pytest.mark.parametrize(
    "content", [torch.nn.Linear(3, 2).state_dict(), OrderedDict(a=torch.nn.Parameter(torch.ones(2)))]
)
def test_a_state_dict_names_nothing_else(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    assert names_in_zip(tmp_path / "a.pth") == set()


def test_a_training_checkpoint_names_what_it_holds_besides_tensors(tmp_path):
    network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(network.parameters())
    network(torch.ones(3)).sum().backward()
    optimiser.step()
    torch.save(
        {"state": network.state_dict(), "optimiser": optimiser.state_dict(), "seen": {1, 2}}, tmp_path / "a.ckpt"
    )
    assert names_in_zip(tmp_path / "a.ckpt") == set()
    path = dummy_authors_checkpoint(tmp_path / "b.ckpt", dummy_small_renderer())
    assert names_in_zip(path) == {"argparse.Namespace"}


def test_names_are_those_of_python_3():
    assert names_in_pickle(io.BytesIO(pickle.dumps([eval, range, OSError], 2))) == {
        "builtins.eval", "builtins.range", "builtins.OSError",
    }  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 1, 4, 5])
def test_a_pickle_of_another_protocol_hides_no_name(protocol):
    stream = io.BytesIO(pickle.dumps(eval, protocol))
    if protocol > 2:
        with pytest.raises(ValueError, match="no pickle of protocol 2"):
            names_in_pickle(stream)
    else:
        assert names_in_pickle(stream) == {"builtins.eval"}


def test_a_structure_that_contains_itself_is_measured():
    inner: list = [1]
    inner.append(inner)
    assert names_in_pickle(io.BytesIO(pickle.dumps([inner, inner], 2))) == set()


def test_views_of_one_storage_cannot_be_larger_than_the_file_together(tmp_path):
    state = dummy_small_motion()
    torch.save(state, tmp_path / "a.ckpt")
    whole = torch.zeros(max(tensor.numel() for tensor in state.values()))
    views = {
        name: whole[: one.numel()].view(one.shape) if one.is_floating_point() else one for name, one in state.items()
    }
    torch.save(views, tmp_path / "views.ckpt")
    assert command("dd-import", tmp_path / "a.ckpt", "-o", tmp_path / "a.safetensors", "-q").status == 0
    outcome = command("dd-import", tmp_path / "views.ckpt", "-o", tmp_path / "v.safetensors", "-q")
    assert outcome == (
        1,
        "",
        f"dd-import: cannot use '{tmp_path / 'views.ckpt'}': its tensors are larger than the file\n",
    )
