"""ONNX files: those that refer to others are refused, wherever the reference is; what is no ONNX file, too."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx_files import GRAPH, field, model, node, tensor, write_colours

from dd_tools.errors import DataError
from dd_tools.formats.onnx_file import read_onnx
from dd_tools.formats.onnx_network import open_session
from dd_tools.weights import shipped_file

PASS = node("Identity", "x", "y")
SHAPE = (1, 3)
LOCATION = field(1, "location") + field(2, "other.bin")  # a key and a value
OUTSIDE = [tensor(f13=LOCATION), tensor(f14=1), tensor(f13=LOCATION, f14=1), tensor(f9=bytes(4), f14=1, f13=LOCATION)]


def places(inside: bytes) -> dict[str, bytes]:
    """A model with a tensor in each place that ONNX has for one."""
    constant = node("Constant", "x", "y") + field(5, field(1, "value") + field(5, inside))
    many = node("Constant", "x", "y") + field(5, field(1, "value") + field(10, inside))
    sparse = field(1, inside)
    branch = node("If", "x", "y") + field(5, field(1, "then") + field(20, GRAPH) + field(6, field(5, inside)))
    loops = node("If", "x", "y") + field(5, field(1, "all") + field(11, field(1, constant)))
    plain = model([PASS], SHAPE, SHAPE)
    return {
        "initializer": model([PASS], SHAPE, SHAPE, [inside]),
        "after another": model([PASS], SHAPE, SHAPE, [tensor("a"), inside]),
        "constant": model([constant], SHAPE, SHAPE),
        "list": model([many], SHAPE, SHAPE),
        "sparse values": model([node("C", "x", "y") + field(5, field(22, sparse))], SHAPE, SHAPE),
        "sparse list": model([node("C", "x", "y") + field(5, field(23, field(2, inside)))], SHAPE, SHAPE),
        "sparse initializer": plain + field(7, field(15, sparse)),
        "branch": model([branch], SHAPE, SHAPE),
        "graphs": model([loops], SHAPE, SHAPE),
        "second graph": plain + field(7, field(5, inside)),
        "training": plain + field(20, field(1, field(5, inside))),
        "function": plain + field(25, field(7, constant)),
        "default of a function": plain + field(25, field(11, field(5, inside))),
    }


@pytest.mark.parametrize("place", places(b""))
@pytest.mark.parametrize("outside", OUTSIDE, ids=["reference", "location", "both", "with values"])
def test_tensors_outside_the_file_are_refused(tmp_path, place, outside):
    path = tmp_path / "net.onnx"
    path.write_bytes(places(outside)[place])
    with pytest.raises(DataError, match=r"^cannot use '.*net.onnx': its tensors are in other files; save the network"):
        read_onnx(path)
    path.write_bytes(places(tensor())[place])
    assert read_onnx(path) == path.read_bytes()


def test_what_is_read_runs(tmp_path):
    data = read_onnx(write_colours(tmp_path / "net.onnx", ("N", 3, 4, 4)))
    session = open_session(data, "net.onnx")
    images = np.random.default_rng(0).random((2, 3, 4, 4), np.float32)
    assert session.run(None, {"x": images})[0] == pytest.approx(images.mean((2, 3)), abs=1e-6)


def test_networks_of_others_are_read():
    path = shipped_file("face_mesh.onnx")
    assert read_onnx(path) == path.read_bytes()


@pytest.mark.parametrize(
    "data",
    [b"", b"text", b"\x80\x02}q\x00.", bytes(100), b"PK\x03\x04" + bytes(30), b"\xff" * 40, field(1, 8), field(7, 1)],
    ids=["empty", "text", "pickle", "zeros", "zip", "ones", "no graph", "number for a graph"],
)
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"^cannot read '.*net.onnx': not an ONNX file$"):
        read_onnx(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read '.*none.onnx': no such file or directory$"):
        read_onnx(tmp_path / "none.onnx")


def test_deep_nesting_is_an_error_and_no_crash(tmp_path):
    inner = b""
    for _ in range(2000):
        inner = field(1, field(5, field(6, inner)))
    (tmp_path / "deep.onnx").write_bytes(field(7, inner))
    with pytest.raises(DataError, match="not an ONNX file"):
        read_onnx(tmp_path / "deep.onnx")


@settings(max_examples=200, deadline=None)
@example(data=b"", cut=0)
@given(data=st.binary(max_size=8), cut=st.integers(0, 150))
def test_damage_is_an_error_or_another_file(tmp_path_factory, data, cut):
    path = tmp_path_factory.mktemp("damaged") / "net.onnx"
    whole = model([PASS], SHAPE, SHAPE, [tensor()])
    path.write_bytes(whole[:cut] + data + whole[cut + len(data) :])
    try:
        open_session(read_onnx(path), path)
    except DataError as error:
        assert "\n" not in str(error)
