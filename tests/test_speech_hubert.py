"""HuBERT features against transformers itself, pickled weights, and long signals."""

import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
import transformers
from commands import call
from factories import dummy_hubert
from test_speech_features import dummy_voice

from dd_tools.diffdub.motion import DiffDubMotionModel
from dd_tools.diffdub.motion_network import MotionConfig, MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS
from dd_tools.errors import DataError
from dd_tools.speech.features import measure_level
from dd_tools.speech.hubert import Hubert
from dd_tools.speech.registry import open_speech_model
from dd_tools.speech.windows import CONTEXT, CORE, Window, frame_count


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return dummy_hubert(tmp_path_factory.mktemp("hubert"))


@pytest.mark.parametrize("samples", [6400, 6500, 7000, 16000, 20479])
def test_features_are_all_hidden_states_with_the_last_frame_repeated(folder, samples):
    signal = dummy_voice(samples) + 0.05
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    network = transformers.HubertModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        inputs = extractor(signal, sampling_rate=16000, return_tensors="pt")
        states = network(inputs.input_values, output_hidden_states=True).hidden_states
    expected = torch.cat(states).numpy()
    features = open_speech_model(str(folder)).features(signal)
    assert features.shape == (3, frame_count(samples), 32)
    frames = expected.shape[1]
    np.testing.assert_allclose(features[:, :frames], expected, atol=5e-3)
    assert (features[:, frames:] == features[:, frames - 1 : frames]).all()


def test_a_whole_number_of_latents_repeats_one_frame(folder):
    features = open_speech_model(str(folder)).features(dummy_voice(10 * 640))
    assert features.shape[1] == 20
    assert (features[:, 19] == features[:, 18]).all()
    assert (features[:, 18] != features[:, 17]).any()


def test_hubert_large_has_the_shape_that_the_papers_motion_model_expects():
    config = transformers.HubertConfig(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
        feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True,
    )  # fmt: skip
    with torch.device("meta"):
        large = Hubert("large", transformers.HubertModel(config), transformers.Wav2Vec2FeatureExtractor())
    paper = MotionConfig()
    assert (large.layers, large.width) == (25, 1024) == (paper.speech_layers, paper.speech_width)


@pytest.mark.parametrize("latents", [5, 50])
def test_dd_audio_gives_two_frames_of_25_layers_for_every_latent(tmp_path, latents):
    """The network has one frame less; the last frame is repeated."""
    model = dummy_hubert(tmp_path / "hubert", layers=24)
    soundfile.write(tmp_path / "voice.wav", dummy_voice(640 * latents), 16000)
    outcome = call("dd-audio", tmp_path / "voice.wav", "-o", tmp_path / "speech.npy", "--model", model, "-q")
    assert outcome == (0, "", "")
    speech = np.load(tmp_path / "speech.npy")
    assert (speech.shape, speech.dtype) == ((25, 2 * latents, 32), np.float16)
    assert (speech[:, -1] == speech[:, -2]).all()
    config = replace(PRESETS["tiny"].config, speech_layers=25, speech_width=32)
    motion = DiffDubMotionModel(MotionNetwork(config))
    assert motion.generate(speech, np.zeros((1, 16), np.float32)).shape == (latents, 16)


def test_windows_of_a_long_signal_agree_with_one_pass(folder):
    """The convolutions are exact away from the cut; attention, which is global, differs slightly."""
    model = open_speech_model(str(folder))
    signal = dummy_voice(CORE + 2 * CONTEXT + 640)
    level = measure_level([signal])
    first, second = model.stream([signal], level)
    whole = model._extract(Window(signal, 0, frame_count(len(signal))), level)
    pieces = np.concatenate([first, second], axis=1).astype(np.float32)
    assert pieces.shape == whole.shape
    np.testing.assert_allclose(pieces[0], whole[0], atol=5e-3)
    difference = np.linalg.norm(pieces[1:] - whole[1:]) / np.linalg.norm(whole[1:] - whole[1:].mean(1, keepdims=True))
    assert difference < 0.05


def test_models_without_normalisation_get_the_signal_unchanged(tmp_path):
    folder = dummy_hubert(tmp_path)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    signal = dummy_voice(6400)
    normalised = open_speech_model(str(folder)).features(0.1 * signal)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"do_normalize": False}))
    raw = open_speech_model(str(folder)).features(measure_level([signal]).normalise(signal))
    np.testing.assert_allclose(raw, normalised, atol=5e-3)
    assert np.abs(open_speech_model(str(folder)).features(0.1 * signal) - normalised).max() > 0.05


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickled_code_is_not_executed(tmp_path):
    folder = dummy_hubert(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weights": Malicious(tmp_path / "ran")}, protocol=2))
    with pytest.raises(DataError, match="cannot open speech model"):
        open_speech_model(str(folder))
    assert not (tmp_path / "ran").exists()


def test_pickled_tensors_are_read(tmp_path, folder):
    copy = dummy_hubert(tmp_path / "model")
    torch.save(transformers.HubertModel.from_pretrained(copy).state_dict(), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    signal = dummy_voice(6400)
    np.testing.assert_array_equal(
        open_speech_model(str(copy)).features(signal), open_speech_model(str(folder)).features(signal)
    )
