"""Speech models of transformers that cannot be loaded: one line says why and what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from factories import dummy_hubert, dummy_whisper
from reporters import RecordingReporter
from safetensors.torch import load_file, save_file

from dd_tools.errors import DataError
from dd_tools.speech.registry import open_speech_model

CONFIG, PREPROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def overwritten(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text)


def changed(name: str, **values: object) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | values))


@pytest.mark.parametrize("dummy", [dummy_hubert, dummy_whisper])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (removed(CONFIG), "no config.json in this folder; expected config.json"),
        (removed(WEIGHTS), "expected config.json"),
        (removed(PREPROCESSOR), "cannot open speech model"),
        (overwritten(WEIGHTS, "no tensors"), "cannot open speech model"),
        (overwritten(CONFIG, "{"), "cannot open speech model"),
        (overwritten(CONFIG, '{"model_type": "bert"}'), "its type is bert, expected whisper, hubert"),
        (changed(CONFIG, num_hidden_layers=3, encoder_layers=3), "are missing, such as 'encoder.layers.2"),
        (changed(PREPROCESSOR, sampling_rate=8000), "its sample rate is 8000 Hz, expected 16000"),
    ],
)
def test_an_unusable_folder_is_a_one_line_error(tmp_path, dummy, damage, message):
    check_error(dummy(tmp_path), damage, message)


@pytest.mark.parametrize(
    ("dummy", "damage", "message"),
    [
        (dummy_hubert, changed(CONFIG, conv_stride=[5, 2, 2, 2, 2, 2, 1]), "one frame per 160 samples, expected 320"),
        (dummy_whisper, changed(PREPROCESSOR, hop_length=80), "one frame per 160 samples, expected 320"),
        (dummy_whisper, changed(CONFIG, d_model=48), "cannot open speech model"),
        (dummy_whisper, changed(PREPROCESSOR, feature_size=128), "takes 80 mel bands, .* 128"),
    ],
)
def test_an_unusable_model_is_a_one_line_error(tmp_path, dummy, damage, message):
    check_error(dummy(tmp_path), damage, message)


@pytest.mark.parametrize("dummy", [dummy_hubert, dummy_whisper])
def test_weights_that_are_not_finite_are_refused(tmp_path, dummy):
    def damage(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        name = next(name for name in tensors if "encoder.layers.1" in name and "decoder" not in name)
        tensors[name].view(-1)[0] = float("nan")
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    check_error(dummy(tmp_path), damage, "holds NaN or infinite values")


def check_error(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(DataError, match=message) as caught:
        open_speech_model(str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_without_a_network_the_error_tells_which_files_to_put_into_a_folder(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    report = RecordingReporter()
    with pytest.raises(DataError, match=r"'nobody/nothing'.*put its files \(config.json, .* into a folder"):
        open_speech_model("nobody/nothing", report=report)
    assert report.messages == ["downloading speech model 'nobody/nothing' from the Hugging Face hub"]


def test_a_commit_is_what_is_asked_for(monkeypatch):
    asked = []

    def ask(source, **options):
        asked.append((source, options.get("revision")))
        raise OSError

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", ask)
    for name in ("nobody/nothing@0123abc", "nobody/nothing"):
        with pytest.raises(DataError, match=f"cannot download speech model '{name}'"):
            open_speech_model(name)
    assert asked == [("nobody/nothing", "0123abc")] * 2 + [("nobody/nothing", None)] * 2


def test_a_missing_folder_is_not_searched_on_the_hub():
    report = RecordingReporter()
    with pytest.raises(DataError, match="cannot open speech model '/no/such/folder': no such folder"):
        open_speech_model("/no/such/folder", report=report)
    assert report.messages == []
