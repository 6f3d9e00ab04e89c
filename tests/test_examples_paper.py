"""The examples with the authors' weights and the paper's data: with fakes in their place, and without them."""

import hashlib
import os
import subprocess
import sys

import pytest
from factories import dummy_hubert, dummy_portrait, dummy_voice
from released import dummy_authors_checkpoint, dummy_small_motion, dummy_small_renderer
from test_examples import COMMANDS, EXAMPLES, STAND_IN, run

from dd_tools.media.audio import has_audio
from dd_tools.media.video import read_frames

OFFLINE = {"HF_HUB_OFFLINE": 1}


def paper(folder, *arguments, **variables):
    return run(folder, "sh", EXAMPLES / "paper.sh", *arguments, **OFFLINE | variables)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A portrait, driving audio, small checkpoints where the hub puts them, and a small HuBERT of as many layers."""
    folder = tmp_path_factory.mktemp("one portrait")
    checkpoints = folder / "diffdub" / "assets" / "checkpoints"
    checkpoints.mkdir(parents=True)
    dummy_authors_checkpoint(checkpoints / "stage1_state_dict.ckpt", dummy_small_renderer())
    dummy_authors_checkpoint(checkpoints / "stage2_state_dict.ckpt", dummy_small_motion(), stage=2)
    dummy_hubert(folder / "hubert")
    dummy_portrait(folder / "face.png")
    dummy_voice(folder / "speech.wav", seconds=0.2)
    return folder


@pytest.mark.slow
def test_a_portrait_is_dubbed_with_released_weights(material):
    done = paper(material, "face.png", "speech.wav", "few.mp4", HUBERT="hubert", SIZE=32, STEPS=1)
    assert done.returncode == 0, done.stderr
    assert "is DiffDub stage 1" in done.stderr and "is DiffDub stage 2" in done.stderr
    assert len(list(read_frames(material / "few.mp4"))) == 5 and has_audio(material / "few.mp4")


def test_checkpoints_are_imported_once_and_one_shot_is_one_reference(tmp_path):
    (tmp_path / "bin").mkdir()
    for command in (*COMMANDS, "dd-import"):
        (tmp_path / "bin" / command).write_text(STAND_IN)
        (tmp_path / "bin" / command).chmod(0o755)
    (tmp_path / "diffdub").mkdir()
    for stage in (1, 2):
        (tmp_path / "diffdub" / f"stage{stage}.ckpt").touch()
        os.utime(tmp_path / "diffdub" / f"stage{stage}.ckpt", (1, 1))
    chain = ["dd-audio", "dd-prep", "dd-encode", "dd-generate", "dd-render"]
    for references, commands in (75, ["dd-import", "dd-import", *chain]), (1, chain):
        done = paper(tmp_path, "a.mp4", "x.wav", "o.mp4", REFERENCES=references, HUBERT="nobody/hubert@0123abc")
        assert done.returncode == 0, done.stderr
        called = (tmp_path / "calls").read_text()
        assert [line.split()[0] for line in called.splitlines()] == commands
        assert f"--references {references} " in f"{called} ".replace("\n", " ")
        (tmp_path / "calls").unlink()


def test_without_the_checkpoints_it_says_what_to_put_where(tmp_path):
    for missing in (1, 2):
        done = paper(tmp_path, "face.png", "speech.wav", "out.mp4", WEIGHTS=tmp_path / "weights")
        assert done.returncode == 1
        assert f"no stage{missing}*.ckpt in '{tmp_path / 'weights'}'" in done.stderr
        assert "https://huggingface.co/taocode/diffdub (folder assets/checkpoints)" in done.stderr
        assert "or set REVISION=COMMIT, STAGE1=SHA256 and STAGE2=SHA256 to download it" in done.stderr
        (tmp_path / "weights").mkdir(exist_ok=True)
        (tmp_path / "weights" / "stage1.ckpt").touch()


def test_checkpoints_are_downloaded_only_if_they_are_the_right_ones(material, tmp_path):
    published = material / "diffdub" / "assets" / "checkpoints"
    right = {
        f"STAGE{stage}": hashlib.sha256((published / f"stage{stage}_state_dict.ckpt").read_bytes()).hexdigest()
        for stage in (1, 2)
    }
    given = {"CHECKPOINTS": published.as_uri(), "WEIGHTS": tmp_path / "new", "HUBERT": "none/there@0"}
    done = paper(material, "face.png", "speech.wav", "out.mp4", **given, **right | {"STAGE2": "0" * 64})
    assert done.returncode == 1
    assert f"has the SHA-256 {right['STAGE2']}, expected {'0' * 64}" in done.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["stage1_state_dict.ckpt"]
    done = paper(material, "face.png", "speech.wav", "out.mp4", **given, **right)
    assert "is DiffDub stage 1" in done.stderr and "is DiffDub stage 2" in done.stderr
    for stage in (1, 2):
        name = f"stage{stage}_state_dict.ckpt"
        assert (tmp_path / "new" / name).read_bytes() == (published / name).read_bytes()


@pytest.mark.parametrize("name", ["", "nobody/nothing"])
def test_a_speech_model_that_may_change_is_not_downloaded(material, name):
    done = paper(material, "face.png", "speech.wav", "out.mp4", HUBERT=name)
    assert done.returncode == 1
    assert "HUBERT=FOLDER with its files, or HUBERT=NAME@COMMIT to download it" in done.stderr


@pytest.mark.parametrize(
    ("url", "sha256", "message"),
    [
        ("{folder}/gone", "0" * 64, "No such file"),
        (
            "{folder}/data",
            "0" * 64,
            "has the SHA-256 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae, exp",
        ),
        ("{folder}/data", "2c26b46b", "'2c26b46b' is not a SHA-256"),
    ],
)
def test_a_file_that_is_not_the_right_one_is_not_kept(tmp_path, url, sha256, message):
    (tmp_path / "data").write_text("foo")
    (tmp_path / "old").write_text("old")
    fetch = [sys.executable, EXAMPLES / "fetch.py", url.format(folder=tmp_path.as_uri()), sha256, tmp_path / "old"]
    done = subprocess.run(fetch, capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"data": "foo", "old": "old"}


def test_without_the_speech_model_it_says_what_to_put_where(material):
    done = paper(material, "face.png", "speech.wav", "out.mp4", HUBERT="nobody/nothing@0123abc")
    assert done.returncode == 1 and not (material / "out.mp4").exists()
    assert "put its files (config.json" in done.stderr and "set HUBERT=FOLDER" in done.stderr


def test_paper_shows_its_usage(tmp_path):
    done = paper(tmp_path, "a.mp4")
    assert (done.returncode, done.stderr) == (2, "usage: paper.sh VIDEO|IMAGE AUDIO OUTPUT.mp4\n")
