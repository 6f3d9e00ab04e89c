"""dd-audio from the command line."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import call
from factories import dummy_hubert, dummy_video

from dd_tools.diffdub.motion_network import MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS
from dd_tools.formats.checkpoint import MOTION, Checkpoint, write_checkpoint
from dd_tools.media.audio import read_audio
from dd_tools.speech.features import SpeechModel
from dd_tools.speech.registry import open_speech_model


def dummy_sound(path, samples: int, rate: int = 16000, amplitude: float = 0.1):
    soundfile.write(path, amplitude * np.random.default_rng(0).standard_normal(samples), rate)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dummy_sound("voice.wav", 20000)
    return tmp_path


@pytest.mark.parametrize("name", ["mel", "whisper"])
def test_features_equal_the_librarys(name):
    assert call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", name) == (0, "", "")
    speech = np.load("speech.npy")
    np.testing.assert_array_equal(speech, open_speech_model(name).features(read_audio("voice.wav")))
    assert speech.dtype == np.float16


def test_whisper_is_the_default():
    assert call("dd-audio", "voice.wav", "-o", "speech.npy").status == 0
    assert np.load("speech.npy").shape == (5, 64, 385)


def test_a_video_and_a_stereo_file_into_a_folder(folder):
    dummy_video(folder / "talk.mp4", seconds=0.6)
    soundfile.write("both.flac", 0.1 * np.random.default_rng(1).standard_normal((30000, 2)), 48000)
    (folder / "out").mkdir()
    assert call("dd-audio", "talk.mp4", "both.flac", "-o", "out", "--model", "mel") == (0, "", "")
    assert np.load("out/both.npy").shape == (1, 32, 80)
    assert abs(np.load("out/talk.npy").shape[1] - 30) <= 2


def test_standard_output_holds_what_the_file_holds():
    call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", "mel")
    outcome = call("dd-audio", "voice.wav", "-o", "-", "--model", "mel")
    assert outcome == (0, Path("speech.npy").read_bytes().decode(errors="replace"), "")


@pytest.mark.parametrize(("seconds", "frames"), [(0.8, 40), (1.25, 64), (2.0, 100)])
def test_sound_is_cut_or_followed_by_silence_to_a_duration(seconds, frames):
    """With the loudness of the whole; what is far from the end stays as it is."""
    assert call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", "mel").status == 0
    assert call("dd-audio", "voice.wav", "-o", "fit.npy", "--model", "mel", "--duration", seconds) == (0, "", "")
    whole, fit = np.load("speech.npy"), np.load("fit.npy")
    assert fit.shape == (1, frames, 80)
    same = min(frames, 62) - 1
    np.testing.assert_array_equal(fit[:, :same], whole[:, :same])
    assert not fit[:, 65:].size or fit[:, 65:].mean() < whole.mean() - 3  # in powers of ten


def test_all_layers_of_a_hubert_or_their_weighted_sum(folder):
    hubert = dummy_hubert(folder / "hubert")
    assert call("dd-audio", "voice.wav", "-o", "all.npy", "--model", hubert, "--device", "cpu").status == 0
    layers = np.load("all.npy")
    assert layers.shape == (3, 64, 32)
    weights = write_motion(layers=3, width=32, speech_model=str(hubert), values=[0.5, -1.0, 2.0])
    assert call("dd-audio", "voice.wav", "-o", "sum.npy", "--weights", weights, "--device", "cpu").status == 0
    shares = np.exp([0.5, -1.0, 2.0]) / np.exp([0.5, -1.0, 2.0]).sum()
    np.testing.assert_allclose(np.load("sum.npy")[0], np.einsum("l,ltd->td", shares, layers), atol=2e-3)


def write_motion(layers: int, width: int, speech_model: str, values: list[float]) -> str:
    changes = {"speech_layers": layers, "speech_width": width, "speech_model": speech_model}
    config = PRESETS["tiny"].config.to_json() | changes
    model = MotionNetwork(type(PRESETS["tiny"].config).from_json(config))
    model.weights.data = torch.tensor(values)
    write_checkpoint("motion.safetensors", Checkpoint(MOTION, "diffdub", config, model.state_dict()))
    return "motion.safetensors"


def test_weights_for_another_speech_model_are_an_error(folder):
    for layers, width in ((3, 80), (1, 32)):
        weights = write_motion(layers=layers, width=width, speech_model="elsewhere", values=[0.0] * layers)
        outcome = call("dd-audio", "voice.wav", "-o", "speech.npy", "--weights", weights, "--model", "mel")
        message = f"'motion.safetensors' takes {layers} layers of {width} features, speech model 'mel' makes 1 of 80"
        assert outcome == (1, "", f"dd-audio: {message}\n")


def test_the_models_that_ship_need_no_torch():
    """It takes a second to import."""
    program = """if True:
        import sys
        from commands import call
        for model in (), ("--model", "mel"):
            assert call("dd-audio", "voice.wav", "-o", "speech.npy", *model).status == 0
        print(*{"torch", "transformers", "scipy", "h5py"} & set(sys.modules))
    """
    path = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[1])))
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_silence_is_an_error():
    dummy_sound("still.wav", 16000, amplitude=0)
    outcome = call("dd-audio", "still.wav", "-o", "speech.npy", "--model", "mel")
    assert outcome == (1, "", "dd-audio: cannot use 'still.wav': silent throughout (below -80 dB)\n")
    assert not Path("speech.npy").exists()


def test_resume_skips_what_is_up_to_date():
    call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", "mel")
    before = os.stat("speech.npy").st_mtime_ns
    outcome = call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", "mel", "--resume")
    assert outcome == (0, "", "dd-audio: 'speech.npy' is up to date\n")
    assert os.stat("speech.npy").st_mtime_ns == before
    os.utime("voice.wav", ns=(before + 10**9, before + 10**9))
    assert call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", "mel", "--resume") == (0, "", "")
    assert os.stat("speech.npy").st_mtime_ns > before


def test_an_older_file_that_is_copied_over_a_newer_one_is_noticed():
    dummy_sound("old.wav", 32000)
    os.utime("old.wav", (1, 1))
    call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", "mel")
    before = np.load("speech.npy")
    time.sleep(0.02)  # the clock of the file system
    shutil.copy2("old.wav", "voice.wav")
    assert os.stat("voice.wav").st_mtime == 1
    assert call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", "mel", "--resume") == (0, "", "")
    assert np.load("speech.npy").shape != before.shape


def test_a_bad_file_does_not_stop_the_others(folder):
    dummy_sound("short.wav", 1599)
    (folder / "text.wav").write_text("not sound")
    (folder / "out").mkdir()
    outcome = call("dd-audio", "short.wav", "text.wav", "voice.wav", "-o", "out", "--model", "mel")
    assert outcome.status == 1
    assert outcome.errors.startswith("dd-audio: cannot use 'short.wav': 0.100 s of audio, expected 0.1 s or more\n")
    assert outcome.errors.count("\n") == 2
    assert os.listdir("out") == ["voice.npy"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["no.wav", "-o", "speech.npy"], 1, "cannot read 'no.wav': no such file"),
        (["mute.mp4", "-o", "speech.npy"], 1, "cannot read 'mute.mp4': no audio track"),
        (["voice.wav", "-o", "no/speech.npy"], 1, "cannot write 'no/speech.npy': folder 'no' does not exist"),
        (["voice.wav", "-o", "voice.wav"], 2, "'voice.wav' is both input and output"),
        (["voice.wav", "mute.mp4", "-o", "-"], 2, "'-' is not an existing folder, which 2 inputs need"),
        (
            ["voice.wav", "-o", "speech.npy", "--device", "gpu"],
            2,
            "unknown device 'gpu', expected auto, cpu, cuda, mps or cuda:N",
        ),
        (["voice.wav", "-o", "speech.npy", "--model", "./no"], 1, "cannot open speech model './no': no such folder"),
        (
            ["voice.wav", "-o", "speech.npy", "--weights", "no.safetensors"],
            1,
            "cannot read 'no.safetensors': no such file",
        ),
    ],
)
def test_bad_input_is_a_one_line_error_and_leaves_no_file(folder, arguments, status, message):
    dummy_video(folder / "mute.mp4", seconds=0.2, audio=False)
    before = sorted(os.listdir())
    options = [] if "--model" in arguments or "--weights" in arguments else ["--model", "mel"]
    assert call("dd-audio", *arguments, *options) == (status, "", f"dd-audio: {message}\n")
    assert sorted(os.listdir()) == before


def test_a_gpu_that_is_too_small_is_one_line(folder, monkeypatch):
    def fail(*arguments, **options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(SpeechModel, "stream", fail)
    hubert = dummy_hubert(folder / "hubert")
    outcome = call("dd-audio", "voice.wav", "-o", "speech.npy", "--model", hubert, "--device", "cpu")
    assert outcome == (1, "", "dd-audio: out of memory on device 'cpu'; use --device cpu\n")
    assert not Path("speech.npy").exists()
