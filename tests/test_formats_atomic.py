"""Atomic writing: all or nothing, ordinary permissions, no traces."""

import os

import pytest
import torch

from dd_tools.errors import DataError
from dd_tools.formats.atomic import atomic_output, check_output_path
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, write_checkpoint


def test_the_target_appears_whole_and_replaces_the_old(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with atomic_output(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old" and temporary.suffix == ".txt" and temporary.parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_whatever_interrupts_leaves_the_old_file_and_no_other(tmp_path, error):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_output(target) as temporary:
        temporary.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"] and target.read_text() == "old"


def test_weights_get_the_permissions_of_any_other_file(tmp_path):
    previous = os.umask(0o027)
    try:
        write_checkpoint(tmp_path / "w.safetensors", Checkpoint(RENDERER, "warp", {}, {"x": torch.zeros(1)}))
    finally:
        os.umask(previous)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o640


def test_the_same_weights_are_the_same_bytes(tmp_path):
    for name in "ab":
        write_checkpoint(
            tmp_path / name, Checkpoint(RENDERER, "warp", {"z": 1, "a": 2}, {"x": torch.ones(3), "b": torch.zeros(2)})
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_impossible_targets_are_named(tmp_path):
    with pytest.raises(DataError, match="it is a folder"):
        check_output_path(tmp_path)
    with pytest.raises(DataError, match=r"folder '.*nowhere' does not exist"):
        check_output_path(tmp_path / "nowhere" / "x")


def test_an_error_about_the_temporary_file_names_the_target(tmp_path):
    target = tmp_path / "file.mp4"
    with pytest.raises(DataError, match=rf"^cannot write '{target}': disk full$"), atomic_output(target) as temporary:
        raise DataError(f"cannot write '{temporary}': disk full")
