"""Rows that are computed once and kept in a temporary file, for all processes that are forked."""

import errno
import multiprocessing
import os
import pickle
import tempfile

import numpy as np
import pytest

from dd_tools.errors import DataError
from dd_tools.training.temporary_rows import TemporaryRows

PAIR = np.dtype([("time", "f8"), ("points", "f4", (2, 3))])
COUNTS = [3, 1, 4]


class Noise:
    """Random rows; `calls` are the clips for which they were computed."""

    def __init__(self, dtype):
        self.dtype, self.calls = dtype, []

    def __call__(self, clip: int) -> np.ndarray:
        self.calls.append(clip)
        return self.expected(clip)

    def expected(self, clip: int) -> np.ndarray:
        content = np.random.default_rng(clip).integers(0, 100, (COUNTS[clip], self.dtype.itemsize // 4), "i4")
        numbers = content.astype("f4")
        return numbers.view(self.dtype)[:, 0] if self.dtype.names else numbers.reshape(-1, *self.dtype.shape)


@pytest.mark.parametrize("dtype", [PAIR, np.dtype(("f4", (5, 2)))])
def test_rows_are_computed_once_and_stay_the_same(dtype):
    noise = Noise(dtype)
    rows = TemporaryRows(COUNTS, dtype, noise)
    for clip in (2, 0, 2, 1, 0, 2):
        found, expected = rows[clip], noise.expected(clip)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
    assert noise.calls == [2, 0, 1]


def test_what_a_forked_process_has_computed_is_there_for_the_others():
    noise = Noise(PAIR)
    rows = TemporaryRows(COUNTS, PAIR, noise)
    process = multiprocessing.get_context("fork").Process(target=rows.__getitem__, args=(1,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert rows[1].tobytes() == noise.expected(1).tobytes() and noise.calls == []


def test_a_process_that_is_not_forked_computes_its_own():
    rows = TemporaryRows(COUNTS, PAIR, Noise(PAIR))
    assert rows[0].tobytes() == pickle.loads(pickle.dumps(rows))[0].tobytes()


@pytest.mark.parametrize("count", [2, 6])
def test_another_number_of_rows_is_refused_before_it_overwrites_those_of_a_neighbour(count):
    """As from a file that was replaced."""
    noise = Noise(PAIR)
    rows = TemporaryRows(COUNTS, PAIR, lambda clip: np.zeros(count, PAIR) if clip == 0 else noise(clip))
    before = rows[1].tobytes()
    with pytest.raises(ValueError, match=f"clip 0: {count} rows, expected 3"):
        rows[0]
    assert rows[1].tobytes() == before


def test_a_disk_that_cannot_be_read_is_named_with_its_folder(monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    rows = TemporaryRows(COUNTS, PAIR, Noise(PAIR))
    monkeypatch.setattr("os.pread", fail)
    message = f"^cannot read temporary files in '{tempfile.gettempdir()}': input/output error$"
    with pytest.raises(DataError, match=message):
        rows[0]


def test_a_full_disk_is_named_with_its_folder(monkeypatch):
    rows = TemporaryRows(COUNTS, PAIR, Noise(PAIR))
    monkeypatch.setattr(rows, "_file", open("/dev/full", "wb", buffering=0))  # noqa: SIM115 - closed with the process
    monkeypatch.setattr("os.pread", lambda *_: b"")
    message = rf"^cannot write temporary files to '{tempfile.gettempdir()}': no space left on device; set TMPDIR$"
    with pytest.raises(DataError, match=message):
        rows[0]
