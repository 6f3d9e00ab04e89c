"""Outputs where chmod or locks are refused, names may not be longer, the disk is full or the folder is gone."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import call

from dd_tools.errors import DataError
from dd_tools.formats.arrays import write_array
from dd_tools.formats.atomic import atomic_output
from dd_tools.formats.companions import companion, utf8_path
from dd_tools.training.state import state_path

# Command line with the name of the output, and the suffix that is wanted.
LINES = {
    "dd-prep portrait.png --size 32 -o": ".h5",
    "dd-audio voice.wav --model mel -o": ".npy",
    "dd-encode clip.h5 --renderer r.safetensors -o": ".npy",
    "dd-generate speech.npy --motion m.safetensors --reference latents.npy -o": ".npy",
    "dd-render clip.h5 --renderer r.safetensors --latents latents.npy --audio voice.wav -o": ".mp4",
    "dd-dub portrait.png voice.wav --renderer r.safetensors --motion m.safetensors -o": ".mp4",
    "dd-import stage1.ckpt -o": ".safetensors",
    "dd-train-seq latents --speech speech --preset tiny --steps 1 -o": ".safetensors",
}


@pytest.fixture
def place(studio, monkeypatch):
    """The studio as the working folder, with an empty folder ``out``."""
    monkeypatch.chdir(studio)
    return studio


def made() -> list[str]:
    return sorted(path.name for path in Path("out").iterdir())


@pytest.mark.parametrize(("line", "suffix"), LINES.items(), ids=lambda text: text.split()[0])
def test_a_file_system_without_permissions_takes_every_output(place, monkeypatch, line, suffix):
    """As CIFS and the folders of Windows in WSL."""

    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    for name in ("chmod", "fchmod", "lchmod"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    outcome = call(*line.split(), f"out/x{suffix}")
    assert outcome.status == 0, outcome.errors
    assert f"x{suffix}" in made() and set(made()) <= {f"x{suffix}", "x.csv"}


@pytest.mark.parametrize("line", list(LINES)[4:6], ids=lambda text: text.split()[0])
def test_a_file_system_without_locks_takes_videos_and_one_line_says_so(place, monkeypatch, line):
    import fcntl

    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    outcome = call(*line.split(), "out/x.mp4")
    assert (outcome.status, made()) == (0, ["x.mp4"]), outcome.errors
    (said,) = [text for text in outcome.errors.splitlines() if "lock" in text]
    assert said == (
        f"{line.split()[0]}: cannot lock 'out/x.mp4' ({os.strerror(errno.ENOLCK).lower()}): "
        "make sure that no other process writes it"
    )


@pytest.mark.parametrize("character", ["n", "é"])
@pytest.mark.parametrize(("line", "suffix"), LINES.items(), ids=lambda text: text.split()[0])
def test_the_longest_name_is_written(place, line, suffix, character):
    """255 bytes, the limit of most file systems."""
    stem = character * ((255 - len(suffix)) // len(character.encode()))
    outcome = call(*line.split(), f"out/{stem}{suffix}")
    assert outcome.status == 0, outcome.errors
    assert f"{stem}{suffix}" in made() and set(made()) <= {f"{stem}{suffix}", f"{stem}.csv"}


@pytest.mark.parametrize(("line", "suffix"), LINES.items(), ids=lambda text: text.split()[0])
def test_a_name_that_is_too_long_is_refused_before_the_work(place, monkeypatch, line, suffix):
    for work in ("face.preparation.prepare_video", "speech.extraction.write_features", "pipeline.encode.encode_clip",
                 "pipeline.generate.generate_motion", "pipeline.render.load_renderer",
                 "pipeline.dubbing_models.load_renderer", "formats.released.read_released",
                 "training.loop.train"):  # fmt: skip
        monkeypatch.setattr(f"dd_tools.{work}", None)
    if line.startswith("dd-prep"):
        monkeypatch.undo()  # it checks the name itself
        monkeypatch.chdir(place)
    outcome = call(*line.split(), f"out/{'n' * 251}{suffix}.mp4")
    assert (outcome.status, outcome.errors.count("\n"), made()) == (1, 1, []), outcome.errors
    assert f"{suffix}.mp4': file name too long" in outcome.errors


@pytest.mark.parametrize(
    "name", ["n" * 255, "é" * 127, "n" * 250 + ".npy", "a." + "x" * 200, "M\udcfcller", "\udcff" * 255]
)
def test_names_of_files_beside_an_output_fit_and_are_its_own(tmp_path, name):
    target, other = tmp_path / name, tmp_path / (name[:-1] + "z")
    for ending in (".lock", ".parts", ".12345-01234567.part.mp4"):
        path = companion(target, ending, hidden=True, utf8=True)
        assert path.parent == tmp_path and path.name.startswith(".") and path.name.endswith(ending)
        assert len(path.name.encode("utf-8")) <= 255
        assert (
            path
            == companion(target, ending, hidden=True, utf8=True)
            != companion(other, ending, hidden=True, utf8=True)
        )
    with atomic_output(target) as temporary:
        temporary.write_text("text")
    assert os.listdir(tmp_path) == [name]


def test_short_names_stay_as_they_are_documented(tmp_path):
    assert companion(tmp_path / "a.mp4", ".parts") == tmp_path / "a.mp4.parts"
    assert companion(tmp_path / "a.mp4", ".lock", hidden=True) == tmp_path / ".a.mp4.lock"
    assert state_path(tmp_path / "a.safetensors") == tmp_path / "a.state.safetensors"


def test_a_path_that_is_not_utf_8_has_another_one_for_child_processes_too(tmp_path):
    odd = tmp_path / "M\udcfcller"
    odd.mkdir()
    with utf8_path(odd) as path:
        str(path).encode("utf-8")
        subprocess.run(["touch", str(path / "made")], check=True)
    assert os.listdir(odd) == ["made"]
    with utf8_path(tmp_path) as path:
        assert path == tmp_path


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/null", path)], ids=["pipe", "device"])
def test_an_output_replaces_no_pipe_and_no_device(tmp_path, make):
    make(tmp_path / "out.npy")
    with pytest.raises(DataError, match=r"cannot write '.*out.npy': it is not a regular file"):
        write_array(tmp_path / "out.npy", np.zeros(3))
    assert not (tmp_path / "out.npy").is_file()


@pytest.mark.parametrize(("line", "suffix"), LINES.items(), ids=lambda text: text.split()[0])
def test_a_folder_that_is_removed_meanwhile_is_one_line(place, monkeypatch, line, suffix):
    """Just before the finished file would get its name."""

    def remove(descriptor):
        shutil.rmtree("out", ignore_errors=True)

    monkeypatch.setattr("dd_tools.formats.atomic.os.fsync", remove)
    outcome = call(*line.split(), f"out/x{suffix}", "-q")
    assert (outcome.status, outcome.errors.count("\n")) == (1, 1), outcome.errors
    assert "cannot write 'out/x" in outcome.errors
    assert "no such file or directory" in outcome.errors or "folder 'out' does not exist" in outcome.errors
    assert not Path("out").exists()


def test_a_clip_is_read_without_a_lock(place):
    """On a file system without locks HDF5 would refuse to; here it is another lock that it must not mind."""
    import fcntl

    from dd_tools.formats.clip import Clip

    with open("clip.h5", "rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        with Clip("clip.h5") as clip:
            assert clip.length == 1
