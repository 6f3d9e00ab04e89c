"""A file that changes while it is used is noticed, however it changes."""

import os

import pytest

from dd_tools.errors import DataError
from dd_tools.formats.snapshot import Snapshot


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    os.utime(path, ns=(0, 0))
    return path


def replaced_by_a_file_of_the_same_size_and_time(path):
    other = path.with_name("b.txt")
    other.write_text("two")
    os.utime(other, ns=(0, 0))
    other.replace(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("two"),
        lambda path: path.open("a").write("!"),
        lambda path: path.unlink(),
        replaced_by_a_file_of_the_same_size_and_time,
    ],
)
def test_every_change_is_noticed(file, change):
    snapshot = Snapshot(file, None)
    file.read_text()
    snapshot.check()
    change(file)
    with pytest.raises(DataError, match=r"a\.txt' changed while it was used; run the command again"):
        snapshot.check()


def test_a_file_that_is_missing_is_left_to_whoever_reads_it(tmp_path):
    Snapshot(tmp_path / "missing").check()
