"""Named pipes and ``<(...)`` of a shell as inputs: sound is read once and copied, a video is refused."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from both_kinds import write_tiny_models
from commands import call
from factories import dummy_portrait, dummy_voice

from dd_tools.media.audio import read_audio

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with inputs, an empty folder for temporary files, and the pipe ``pipe.wav``."""
    dummy_portrait(tmp_path / "portrait.png")
    dummy_voice(tmp_path / "voice.wav", 0.4)
    for name, path in zip("rm", write_tiny_models(tmp_path, "warp"), strict=True):
        os.rename(path, tmp_path / f"{name}.safetensors")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.wav")
    return tmp_path


def sending(pipe: str, file: str) -> threading.Thread:
    def send():
        with open(pipe, "wb") as stream, open(file, "rb") as content:
            shutil.copyfileobj(content, stream)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def run(line: str) -> None:
    outcome = call(*line.split())
    assert outcome.status == 0, outcome.errors
    assert list(Path("temporary").glob("dd-*")) == []


def test_sound_from_a_pipe_gives_the_features_of_the_file(place):
    run("dd-audio voice.wav --model mel -o file.npy")
    sending("pipe.wav", "voice.wav")
    run("dd-audio pipe.wav --model mel -o pipe.npy")
    assert np.array_equal(np.load("file.npy"), np.load("pipe.npy"))


def test_sound_from_a_pipe_is_heard_in_the_video(place):
    models = "--renderer r.safetensors --motion m.safetensors"
    sending("pipe.wav", "voice.wav")
    run(f"dd-dub portrait.png pipe.wav {models} -o dubbed.mkv")
    run("dd-prep portrait.png -o clip.h5 --size 32")
    np.save("motion.npy", np.zeros((10, 66), np.float32))
    sending("pipe.wav", "voice.wav")
    run("dd-render clip.h5 --renderer r.safetensors --latents motion.npy --audio pipe.wav -o rendered.mkv")
    for video in ("dubbed.mkv", "rendered.mkv"):
        assert np.abs(read_audio(video)).max() > 0.02


def test_a_pipe_that_sends_nothing_usable_is_one_line(place):
    Path("text.txt").write_text("no sound")
    sending("pipe.wav", "text.txt")
    outcome = call("dd-audio", "pipe.wav", "--model", "mel", "-o", "pipe.npy")
    assert outcome.status == 1 and outcome.errors.count("\n") == 1 and "pipe.wav" in outcome.errors
    assert list(Path("temporary").glob("dd-*")) == []


@pytest.mark.parametrize(
    "line",
    [
        "dd-prep pipe.wav -o out.h5",
        "dd-prep pipe.wav --list-faces out.png",
        "dd-dub pipe.wav voice.wav -o out.mp4",
        "dd-render clip.h5 --latents motion.npy --source pipe.wav -o out.mp4",
        "dd-info pipe.wav",
    ],
)
def test_a_video_from_a_pipe_is_refused_at_once(place, line):
    np.save("motion.npy", np.zeros((10, 66), np.float32))
    outcome = call(*line.split())
    said = "cannot read 'pipe.wav': it is a pipe, which can only be read once; save the video to a file"
    assert (outcome.status, outcome.errors) == (1, f"{line.split()[0]}: {said}\n")


@pytest.mark.parametrize("line", ["pipe.wav --truth voice.wav", "voice.wav --truth pipe.wav"])
def test_a_pipe_is_not_scored(place, line):
    outcome = call("dd-eval", *line.split())
    assert outcome.status == 1 and "cannot read 'pipe.wav': it is a pipe" in outcome.errors
