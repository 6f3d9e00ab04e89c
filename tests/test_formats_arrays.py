"""NPY arrays: what is written is read, and everything else is refused with one clear line."""

import io

import numpy as np
import pytest
from hypothesis import given
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
    not_npy = "not an NPY array file, or truncated"
    reasons = {
        "a.npz": "an NPZ archive, expected one NPY array (T frames, Z values)",
        "pickle.npy": not_npy,
        "text.npy": not_npy,
        "cut.npy": not_npy,
        "missing.npy": "no such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(DataError) as caught:
            read_latents(tmp_path / name)
        assert str(caught.value) == f"cannot read '{tmp_path / name}': {reason}"


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
