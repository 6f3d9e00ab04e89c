"""dd_tools from Python: light to import, silent, and the same frames as the commands."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from both_kinds import of_both_kinds, write_tiny_models
from commands import call
from factories import dummy_lossless_video, dummy_portrait, dummy_voice

import dd_tools
from dd_tools.errors import DataError, UsageError
from dd_tools.face.detectors.registry import open_detector
from dd_tools.formats.arrays import read_speech
from dd_tools.formats.clip import Clip
from dd_tools.media.video import probe, read_frames
from dd_tools.reporting import Silent


def loaded_by(statement: str) -> set[str]:
    """The modules, without their submodules, that a statement loads in a new process."""
    script = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "typer", "rich", "numpy", "cv2", "h5py", "ffmpeg"}
    assert not loaded_by("import dd_tools") & heavy


def test_the_library_does_not_load_what_only_commands_need():
    loaded = loaded_by("import dd_tools; dd_tools.dub; dd_tools.render; dd_tools.prepare_video")
    assert "torch" in loaded and not loaded & {"typer", "rich"}


@pytest.mark.parametrize("name", dd_tools.__all__)
def test_public_names_lead_to_something_with_a_description(name):
    assert getattr(dd_tools, name).__doc__


def test_other_names_do_not():
    with pytest.raises(AttributeError, match="module 'dd_tools' has no attribute 'redub'"):
        _ = dd_tools.redub


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A video of twelve frames in which a portrait drifts, and audio as long as that."""
    folder = tmp_path_factory.mktemp("studio")
    portrait = cv2.imread(str(dummy_portrait(folder / "portrait.png")))[..., ::-1]
    dummy_lossless_video(folder / "video.mkv", [np.roll(portrait, shift, axis=1) for shift in range(12)])
    dummy_voice(folder / "audio.wav", 0.48)
    return folder


def images(path) -> np.ndarray:
    return np.stack([frame.image for frame in read_frames(path)])


LOSSLESS = dd_tools.OutputSettings(lossless=True)


def test_dubbing_needs_three_names_and_says_nothing(studio, tmp_path, capfd):
    """With the shipped models; the names may be plain text."""
    result = dd_tools.dub(str(studio / "video.mkv"), str(studio / "audio.wav"), str(tmp_path / "out.mp4"))
    assert result is None and capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (probe(tmp_path / "out.mp4").width, len(images(tmp_path / "out.mp4"))) == (240, 12)


@of_both_kinds
def test_functions_and_command_give_the_same_frames(studio, tmp_path, kind):
    """`dub`, its parts one after another, and dd-dub."""
    renderer, motion = write_tiny_models(tmp_path, kind)
    video, audio, steps = studio / "video.mkv", studio / "audio.wav", {"steps": 2} if kind == "diffdub" else {}
    once, parts, command = (tmp_path / f"{name}.mkv" for name in ("once", "parts", "command"))
    dd_tools.dub(video, audio, once, renderer=renderer, motion=motion, settings=LOSSLESS, **steps)

    dd_tools.prepare_video(video, tmp_path / "clip.h5", dd_tools.PrepSettings(size=32), detector=open_detector())
    painter, speaker = dd_tools.load_renderer(renderer), dd_tools.load_motion_model(motion)
    speech_model = dd_tools.open_speech_model(speaker.speech_model)
    dd_tools.write_features(speech_model, audio, tmp_path / "speech.npy", layer_weights=speaker.layer_weights)
    with Clip(tmp_path / "clip.h5") as clip:
        latents = dd_tools.encode_clip(painter, clip)
    generated = dd_tools.generate_motion(speaker, read_speech(tmp_path / "speech.npy"), latents)
    dd_tools.render(
        [tmp_path / "clip.h5"], [generated], parts, source=video, renderer=renderer, settings=LOSSLESS, **steps
    )

    options = ["--renderer", renderer, "--motion", motion, "--lossless", "-q"]
    options += ["--steps", "2"] if steps else []
    assert call("dd-dub", video, audio, "-o", command, *options) == (0, "", "")
    assert np.array_equal(images(once), images(command))
    assert np.abs(images(once).astype(int) - images(parts)).max() <= 1
    assert not np.array_equal(images(once), images(video))


class Notes(Silent):
    def __init__(self):
        self.lines, self.steps = [], []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def progress(self, steps, total, label):
        for step in steps:
            self.steps.append(label)
            yield step


def test_a_reporter_hears_of_frames_and_progress(studio, tmp_path):
    notes = Notes()
    renderer, motion = write_tiny_models(tmp_path, "warp")
    dd_tools.dub(
        studio / "video.mkv", studio / "audio.wav", tmp_path / "o.mkv", renderer=renderer, motion=motion, report=notes
    )
    assert any("12 of 12 frames usable" in line for line in notes.lines)
    assert notes.steps.count("rendering") == 12


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"video": "missing.mp4"}, DataError, r"cannot read 'missing.mp4': no such file"),
        ({"audio": "missing.wav"}, DataError, r"cannot read 'missing.wav': no such file"),
        ({"output": "out.avi"}, (DataError, UsageError), r"out.avi"),
        ({"output": "video"}, UsageError, r"'.*video.mkv' is both input and output"),
        ({"steps": 4}, UsageError, "this renderer has no option --steps"),
        ({"solver": "unipc"}, UsageError, "this renderer has no option --solver"),
        ({"renderer": "missing.safetensors"}, DataError, r"cannot read 'missing.safetensors': no such file"),
    ],
)
def test_what_is_wrong_is_raised(studio, tmp_path, monkeypatch, changes, error, complaint):
    monkeypatch.chdir(tmp_path)
    video = studio / "video.mkv"
    arguments = {"video": video, "audio": studio / "audio.wav", "output": tmp_path / "out.mp4"} | changes
    if arguments["output"] == "video":
        arguments["output"] = video
    with pytest.raises(error, match=complaint):
        dd_tools.dub(**arguments)
    assert list(tmp_path.iterdir()) == []
