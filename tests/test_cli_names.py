"""Names with spaces, quotes, brackets, line breaks and bytes that are not UTF-8, of inputs and outputs."""

import json
import os
import shutil

import pytest
from both_kinds import write_tiny_models
from commands import call
from factories import dummy_portrait, dummy_voice
from media_files import smooth_frames, write_with_audio
from odd_names import NAMES, is_possible
from released import dummy_authors_checkpoint, dummy_small_renderer

from dd_tools.formats.clip import Clip
from dd_tools.media.probe import probe


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    dummy_portrait(folder / "portrait.png")
    dummy_voice(folder / "voice.wav", 0.4)
    renderer, motion = write_tiny_models(folder, "warp")
    os.rename(renderer, folder / "renderer.safetensors")
    os.rename(motion, folder / "motion.safetensors")
    dummy_authors_checkpoint(folder / "stage1.ckpt", dummy_small_renderer())
    return folder


@pytest.fixture(params=NAMES, ids=ascii)
def name(request):
    if not is_possible(request.param):
        pytest.skip("this system has no such names")
    return request.param


@pytest.fixture
def place(inputs, tmp_path, monkeypatch, name):
    """A working folder whose name, and whose files' names, are odd."""
    folder = tmp_path / f"in {name}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has no such names")
    for suffix, file in ((".png", "portrait.png"), (".ckpt", "stage1.ckpt")):
        shutil.copy(inputs / file, folder / f"{name}{suffix}")
    for file in ("voice.wav", "renderer.safetensors", "motion.safetensors"):
        shutil.copy(inputs / file, folder / f"{name}.{file}")
    monkeypatch.chdir(folder)
    return folder


def succeed(command, *arguments) -> str:
    """Run a command that must succeed; returns standard output. Every line of its messages has the command's name."""
    outcome = call(command, *arguments)
    assert outcome.status == 0, outcome.errors
    assert all(line.startswith(f"{command}: ") for line in outcome.errors.split("\n")[:-1]), outcome.errors
    return outcome.output


def test_every_command_reads_and_writes_files_of_any_name(place, name):
    # Only the leading dash of a file in the working folder must be told from that of an option.
    file = f"./{name}" if name.startswith("-") else name
    renderer, motion = ("--renderer", f"{file}.renderer.safetensors"), ("--motion", f"{file}.motion.safetensors")
    succeed("dd-prep", f"{file}.png", "-o", f"{file}.h5", "--size", 32)
    succeed("dd-encode", f"{file}.h5", "-o", f"{file}.latents.npy", *renderer)
    succeed("dd-audio", f"{file}.voice.wav", "-o", f"{file}.speech.npy", "--model", "mel")
    reference = ("--reference", f"{file}.latents.npy")
    succeed("dd-generate", f"{file}.speech.npy", *reference, "-o", f"{file}.motion.npy", *motion)
    painted = ("--latents", f"{file}.motion.npy", "--audio", f"{file}.voice.wav", *renderer)
    succeed("dd-render", f"{file}.h5", *painted, "-o", f"{file}.mp4")
    succeed("dd-dub", f"{file}.png", f"{file}.voice.wav", "-o", f"{file}.mkv", *renderer, *motion)
    succeed("dd-train-ae", f"{file}.h5", "-o", f"{file}.ae.safetensors", "--preset", "tiny-warp", "--steps", 1)
    succeed("dd-import", f"{file}.ckpt", "-o", f"{file}.stage1.safetensors")
    for video in (".mp4", ".mkv"):
        shutil.copy(f"{name}{video}", f"copy{video}")
        assert probe(f"copy{video}").has_audio
        os.remove(f"copy{video}")
    with Clip(place / f"{name}.h5") as clip:
        assert clip.source.name == f"{name}.png"
        assert clip.history[0]["arguments"][0] == f"{file}.png"
    for made in (".h5", ".speech.npy", ".ae.safetensors", ".stage1.safetensors", ".png", ".ckpt"):
        assert succeed("dd-info", f"{file}{made}").split("\n")[0] == f"file: {NAMES[name]}{made}"
        (line,) = succeed("dd-info", "--json", f"{file}{made}").splitlines()
        assert json.loads(line)["file"] == f"{name}{made}"
    assert f"clips: {NAMES[name]}\n" in succeed("dd-info", f"{file}.ae.safetensors")
    left = {path.name.removeprefix(name) for path in place.iterdir()}
    assert left == {
        ".png", ".voice.wav", ".ckpt", ".renderer.safetensors", ".motion.safetensors", ".h5", ".latents.npy",
        ".speech.npy", ".motion.npy", ".mp4", ".mkv", ".ae.safetensors", ".ae.csv", ".stage1.safetensors",
    }  # fmt: skip


def test_a_long_video_may_have_a_question_mark_in_its_name(tmp_path):
    """Its parts are in a folder with that name; `dd_tools.media.joining` lists them."""
    (tmp_path / "What is #1?.mp4.parts").mkdir()
    written = write_with_audio(tmp_path / "What is #1?.mp4.parts" / "out.mp4", smooth_frames(10), None, cuts=(4,))
    assert probe(written).frame_rate == 25
