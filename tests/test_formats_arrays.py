"""NPY arrays: what is written is read, and everything else is refused with one clear line."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.errors import DataError
from dd_tools.formats.arrays import (
    evenly_spaced,
    read_array,
    read_latents,
    read_speech,
    write_array,
    write_speech,
)

SPEECH = np.random.default_rng(0).standard_normal((3, 10, 4)).astype(np.float16)
LATENTS = np.random.default_rng(1).standard_normal((7, 5)).astype(np.float32)


def test_written_arrays_are_read(tmp_path):
    write_array(tmp_path / "speech.npy", SPEECH)
    write_array(tmp_path / "latents.npy", LATENTS)
    speech, latents = read_speech(tmp_path / "speech.npy"), read_latents(tmp_path / "latents.npy")
    assert (speech.dtype, latents.dtype) == (np.float16, np.float32)
    np.testing.assert_array_equal(speech, SPEECH)
    np.testing.assert_array_equal(latents, LATENTS)
    assert isinstance(speech, np.memmap) and not speech.flags.writeable
    np.testing.assert_array_equal(np.load(tmp_path / "latents.npy"), LATENTS)


def test_other_number_types_are_converted(tmp_path):
    np.save(tmp_path / "speech.npy", SPEECH.astype(np.float64))
    np.save(tmp_path / "latents.npy", np.arange(6).reshape(2, 3))
    assert read_speech(tmp_path / "speech.npy").dtype == np.float16
    assert read_latents(tmp_path / "latents.npy").dtype == np.float32


@pytest.mark.parametrize("cuts", [[], [4], [1, 2, 9]])
def test_speech_in_pieces_is_the_same_file(tmp_path, cuts):
    write_speech(tmp_path / "pieces.npy", np.split(SPEECH, cuts, axis=1), SPEECH.shape)
    write_array(tmp_path / "whole.npy", SPEECH)
    assert (tmp_path / "pieces.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (SPEECH, "shape (3, 10, 4), expected (T frames, Z values)"),
        (LATENTS[:0], "empty, shape (0, 5), expected (T frames, Z values)"),
        (np.array([["a", "b"]]), "holds <U1, expected numbers (T frames, Z values)"),
        (np.ones((2, 2), bool), "holds bool, expected numbers (T frames, Z values)"),
        (np.ones((2, 2), complex), "holds complex128, expected numbers (T frames, Z values)"),
        (np.ones((2, 2), "m8[s]"), "holds timedelta64[s], expected numbers (T frames, Z values)"),
        (np.ones((2, 2), "f4,i4"), "holds [('f0', '<f4'), ('f1', '<i4')], expected numbers (T frames, Z values)"),
        (np.array(1.0), "shape (), expected (T frames, Z values)"),
        (np.full((2, 2), 1e300), "holds values that are too large for float32"),
        (np.full((2, 2), np.nan), "holds NaN or infinite values"),
        (np.full((2, 2), np.inf), "holds NaN or infinite values"),
    ],
)
def test_unsuitable_arrays_are_refused(tmp_path, array, reason):
    path = tmp_path / "a.npy"
    np.save(path, array)
    with pytest.raises(DataError) as caught:
        read_latents(path)
    assert str(caught.value) == f"cannot read '{path}': {reason}"


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=LATENTS)
    np.save(tmp_path / "pickle.npy", np.array([[{}]]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "cut.npy", LATENTS)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-1])
    (tmp_path / "long.npy").write_bytes((tmp_path / "cut.npy").read_bytes() + b"\0\0")
    not_npy = "not an NPY array file, or truncated"
    reasons = {
        "a.npz": "an NPZ archive, expected one NPY array",
        "pickle.npy": "holds object, expected numbers (T frames, Z values)",
        "text.npy": not_npy,
        "cut.npy": f"{not_npy} (139 bytes of values, 140 expected)",
        "long.npy": f"{not_npy} (141 bytes of values, 140 expected)",
        "missing.npy": "no such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(DataError) as caught:
            read_latents(tmp_path / name)
        assert str(caught.value) == f"cannot read '{tmp_path / name}': {reason}"


def npy(header: str, content: bytes = b"", version: bytes = b"\1\0", length: int | None = None) -> bytes:
    """An NPY file with any header."""
    size = len(header) if length is None else length
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", size) + header.encode() + content


def head(shape: str, dtype: str = "'<f4'", order: str = "False", more: str = "") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}{more}}}\n"


HOSTILE = {
    "a shape of a terabyte": npy(head("(1000000, 1000000)")),
    "a shape beyond 64 bits": npy(head(f"({2**62}, {2**62})")),
    "a negative shape": npy(head("(-1, -4)"), bytes(16)),
    "a shape of truth values": npy(head("(True, True)"), bytes(4)),
    "a shape of floats": npy(head("(1.0, 1.0)"), bytes(4)),
    "no shape": npy(head("None")),
    "no type": npy(head("(1, 1)", "'nothing'")),
    "nested too deeply": npy("(" * 9000),
    "a deep shape": npy(head("(" * 5000 + ")" * 5000)),
    "a call": npy(head("(__import__('os').mkdir('ran'), 1)")),
    "a long number": npy(head("(" + "9" * 5000 + ", 1)")),
    "more fields": npy(head("(1, 1)", more=", 'x': 1"), bytes(4)),
    "a header of 4 GB": npy(head("(1, 1)"), bytes(4), b"\2\0", length=2**32 - 1),
    "an unknown version": npy(head("(1, 1)"), bytes(4), b"\x09\0"),
    "only magic": b"\x93NUMPY",
    "only a version": b"\x93NUMPY\1\0",
    "a zip that is none": b"PK\3\4" + bytes(30),
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("piped", [False, True])
def test_a_hostile_header_is_one_line_and_takes_no_memory(tmp_path, monkeypatch, name, piped):
    path = tmp_path / "a.npy"
    path.write_bytes(HOSTILE[name])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(HOSTILE[name])))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"^cannot read (standard input|'.*a.npy'): .*$"):
        read_latents("-" if piped else path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i2", "u1", "<f2"])
@pytest.mark.parametrize("piped", [False, True])
def test_any_order_and_type_of_numbers_is_read(tmp_path, monkeypatch, order, dtype, piped):
    values = np.arange(24).reshape(2, 4, 3)
    np.save(tmp_path / "a.npy", np.asarray(values, dtype, order=order))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper((tmp_path / "a.npy").open("rb")))
    read = read_speech("-" if piped else tmp_path / "a.npy")
    assert read.dtype == np.float16
    np.testing.assert_array_equal(read, values)


def test_a_pipe_that_never_ends_is_read_as_far_as_it_should_go(monkeypatch):
    class Endless(io.RawIOBase):
        """One small array, and zeros after it."""

        start = io.BytesIO(npy(head("(2, 2)")))

        def readable(self):
            return True

        def readinto(self, buffer):
            content = self.start.read(len(buffer)) or bytes(len(buffer))
            buffer[: len(content)] = content
            return len(content)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    with pytest.raises(DataError, match=r"truncated \(not 16 bytes of values, as it says\)"):
        read_latents("-")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_are_read_or_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "changed.npy"
    np.save(path, LATENTS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 140))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert np.isfinite(read_latents(path)).all()
    except DataError as error:
        assert "\n" not in str(error)


def test_a_dash_is_standard_input_and_output(monkeypatch):
    pipe = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(pipe))
    write_speech("-", np.split(SPEECH, [3], axis=1), SPEECH.shape)
    pipe.seek(0)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(pipe))
    np.testing.assert_array_equal(read_array("-", ("L", "T", "D")), SPEECH)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"no array")))
    with pytest.raises(DataError, match=r"^cannot read standard input: not an NPY array file, or truncated$"):
        read_latents("-")


@given(st.integers(1, 60), st.integers(1, 80))
def test_evenly_spaced_rows_include_both_ends(length, count):
    rows = np.arange(length)
    selected = evenly_spaced(rows, count)
    assert len(selected) == min(count, length)
    assert selected[0] == 0 and (count == 1 or selected[-1] == length - 1)
    if len(selected) > 1:
        gaps = np.diff(selected)
        assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1
