"""Audio from a pipe is kept in a file while it is used."""

import os
import threading

import numpy as np
import pytest
import soundfile
from commands import call

from dd_tools.errors import DataError
from dd_tools.media.audio import read_audio
from dd_tools.media.piped import as_file


@pytest.fixture
def pipe(tmp_path):
    """A FIFO into which another thread writes a second of sound."""
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(np.arange(16000) / 5), 16000)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes((tmp_path / "a.wav").read_bytes()), daemon=True)
    writer.start()
    yield path
    writer.join(5)


def test_what_comes_out_of_a_pipe_can_be_read_twice(pipe, tmp_path):
    with as_file(pipe) as path:
        first, second = read_audio(path), read_audio(path)
    assert np.array_equal(first, second) and np.array_equal(first, read_audio(tmp_path / "a.wav"))
    assert not path.exists()


def test_a_file_is_itself(tmp_path):
    for name in ("a.wav", "missing.wav"):
        with as_file(tmp_path / name) as path:
            assert path == tmp_path / name


def test_features_of_a_pipe_are_those_of_the_file(pipe, tmp_path):
    for source in (pipe, tmp_path / "a.wav"):
        output = tmp_path / f"{source.name}.npy"
        assert call("dd-audio", source, "-o", output, "--model", "mel").status == 0
    assert np.array_equal(np.load(tmp_path / "pipe.npy"), np.load(tmp_path / "a.wav.npy"))


def test_a_video_from_a_pipe_is_refused_in_one_line(tmp_path):
    os.mkfifo(tmp_path / "v.mp4")
    outcome = call("dd-prep", tmp_path / "v.mp4", "-o", tmp_path / "clip.h5")
    assert outcome.status == 1 and "it is a pipe" in outcome.errors and outcome.errors.count("\n") == 1
    with pytest.raises(DataError, match="it is a pipe"):
        read_audio(tmp_path / "v.mp4")
