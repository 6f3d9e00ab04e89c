"""Whisper features against transformers' own Whisper, where they are in time, cuts, shipped files, few positions."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from factories import dummy_whisper
from test_speech_features import dummy_voice

from dd_tools.errors import DataError
from dd_tools.formats.onnx_network import open_network
from dd_tools.media.audio import SAMPLE_RATE, read_audio
from dd_tools.speech.features import Level, measure_level
from dd_tools.speech.loudness import loudness
from dd_tools.speech.mel_bands import mel_filters
from dd_tools.speech.registry import open_speech_model
from dd_tools.speech.whisper import encoder_of, place_effect
from dd_tools.speech.windows import Window, frame_count
from dd_tools.weights import shipped_file

SPEECH = Path(__file__).parents[1] / "examples" / "kennedy.flac"
GOLDEN = Path(__file__).parent / "golden" / "whisper.npz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return dummy_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def shipped():
    return open_speech_model("whisper")


@pytest.fixture(scope="module")
def speech():
    return read_audio(SPEECH)


def network_of_150_positions(folder) -> transformers.WhisperModel:
    """The model, but that its encoder takes windows of 150 frames (3 s) rather than 30 s."""
    network = transformers.WhisperModel.from_pretrained(folder)
    state = network.state_dict()
    state["encoder.embed_positions.weight"] = state["encoder.embed_positions.weight"][:150]
    short = transformers.WhisperModel(
        transformers.WhisperConfig(**network.config.to_dict() | {"max_source_positions": 150})
    )
    short.load_state_dict(state)
    return short.eval()


def whole_log_mel(folder, signal: np.ndarray) -> np.ndarray:
    """Log-mel (80, T) of a signal of up to 30 s by transformers' own extractor, with mel frame j centred at j/100 s."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    return extractor(signal, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features[0].astype(np.float32)


def features_at(model, signal: np.ndarray, level: Level) -> np.ndarray:
    return np.concatenate(list(model.stream([signal], level)), axis=1).astype(np.float64)


@torch.inference_mode()
def mean_of_windows(network: transformers.WhisperModel, mel: np.ndarray) -> np.ndarray:
    """Hidden states (3, T, 32) of log-mel (80, 2 T), each the mean of those in windows that begin every 50 frames."""
    frames, hann = mel.shape[1] // 2, np.hanning(301)[1::2]
    sums, weights = np.zeros((3, frames, 32)), np.full(frames, 1e-9)
    for start in range(0, frames - 149, 50):
        window = torch.from_numpy(mel[None, :, 2 * start : 2 * start + 300])
        states = torch.cat(network.encoder(window, output_hidden_states=True).hidden_states)
        sums[:, start : start + 150] += hann[:, None] * states.numpy()
        weights[start : start + 150] += hann
    return sums / weights[:, None]


def test_each_frame_is_the_mean_of_its_hidden_states_in_three_windows(folder):
    """Less what is the same for every signal, which repeats with the windows and has a mean of zero.

    The first window begins 100 frames before the signal. Mel frames are 10 ms later than Whisper's own, which puts the
    middle of each frame where `windows` says it is.
    """
    model, network, effects = open_speech_model(str(folder)), network_of_150_positions(folder), []
    for seed in (0, 1):
        signal = dummy_voice(75 * 640, seed)
        mel = whole_log_mel(folder, np.pad(signal, (100 * 320, 100 * 320))[160:])
        expected = mean_of_windows(network, mel[:, :700])[:, 100:250]
        loudest = 4 * float(mel.max()) - 4  # log10 of the power, below which the extractor keeps 8 decades
        features = features_at(model, signal, Level(len(signal), 0.0, 10 ** (loudest - 3.5)))
        assert features.shape == expected.shape and expected.std(1).mean() > 0.1
        effects.append(expected - features)
    np.testing.assert_allclose(effects[0], effects[1], atol=5e-3)
    np.testing.assert_allclose(effects[0][:, :50], effects[0][:, 50:100], atol=5e-3)
    np.testing.assert_allclose(effects[0].mean(1), 0, atol=5e-3)


def test_a_click_in_speech_changes_the_frames_around_it_evenly(shipped, speech):
    """Half a frame, 10 ms, is what Whisper's own frames would be early."""
    quiet, level = speech[: 2 * SAMPLE_RATE], measure_level([speech])
    before = features_at(shipped, quiet, level)[..., :-1]
    times, distances = np.arange(0.4, 1.6, 0.137), []
    for time in times:
        click = quiet.copy()
        click[round(time * SAMPLE_RATE) :][:8] += 0.8
        change = np.abs(features_at(shipped, click, level)[..., :-1] - before).sum(2)
        distances.append((change.argmax(1) + 0.5) / 50 - time)
    assert np.abs(distances).max() <= 0.025
    assert np.abs(np.mean(distances, axis=0)).max() < 0.006


def test_the_shipped_model_computes_what_it_did_in_transformers(shipped, speech):
    """Up to the rounding to float16, half of a 2048th."""
    with np.load(GOLDEN) as golden:
        expected = golden["features"]
    found = shipped.features(speech)[:, ::10, ::5].astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=2**-11, atol=2e-4)


def difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Relative difference (L,) of features (L, T, D), without their mean."""
    deviation = expected - expected.mean(1, keepdims=True)
    return np.linalg.norm(found - expected, axis=(1, 2)) / np.linalg.norm(deviation, axis=(1, 2))


@pytest.mark.parametrize("frames", [3, 30, 50])
def test_features_hardly_depend_on_where_the_recording_begins_and_ends(shipped, speech, frames):
    """The five layers of one pass over the recording change by 1.2, 1.0, 0.5, 0.4 and 0.7."""
    level = measure_level([speech])
    whole = features_at(shipped, speech, level)[..., :-1]
    cut = features_at(shipped, speech[320 * frames : -SAMPLE_RATE], level)[..., :-1]
    inside = slice(100, cut.shape[1] - 100)
    found = difference(cut[:, inside], whole[:, frames:][:, inside])
    assert (found < 0.35).all()


def test_blocks_change_nothing(shipped, folder, speech):
    long, tiny = dummy_voice(40 * SAMPLE_RATE), open_speech_model(str(folder))
    for model, signal, cuts in ((shipped, speech, [1, 5000, 5000, 99_999]), (tiny, long, [400, 520_000, 600_001])):
        level = measure_level([signal])
        blocks = np.concatenate(list(model.stream(np.split(signal, cuts), level)), axis=1)
        assert np.array_equal(blocks, model.features(signal))


def test_all_five_layers_of_the_shipped_model_end_in_the_loudness(shipped, speech):
    signal = speech[: 3 * SAMPLE_RATE]
    features = shipped.features(signal)
    assert features.shape == (5, 150, 385) and shipped.has_loudness
    expected = loudness(Window(signal, 0, 150), measure_level([signal])).astype(np.float16)
    assert (features[:, :, -1] == expected).all()
    assert np.ptp(expected) > 1


def test_other_models_have_no_loudness(folder):
    model = open_speech_model(str(folder))
    assert (model.layers, model.width, model.has_loudness) == (3, 32, False)


def test_a_pause_does_not_depend_on_what_is_said_before_or_after(shipped, speech):
    """In Whisper's own windows it does, by their loudest sound."""
    pause, level = np.zeros(7 * SAMPLE_RATE, np.float32), measure_level([speech])
    between, alone = (
        features_at(shipped, np.concatenate([part, pause, part]), level)[:, 350 + 150 : 700 - 150]
        for part in (speech[SAMPLE_RATE:][: len(pause)], pause)
    )
    assert np.array_equal(between, alone)


@pytest.mark.parametrize("count", [1, 1600, 16000])
def test_silence_and_a_tenth_of_a_second_have_features(shipped, speech, count):
    for signal in speech[SAMPLE_RATE:][:count], np.zeros(count, np.float32):
        features = shipped.features(signal)
        assert features.shape == (5, frame_count(count), 385) and np.isfinite(features).all()


def test_whole_models_for_transcription_in_half_precision_are_read_too(tmp_path, folder):
    network = transformers.WhisperModel.from_pretrained(folder).half()
    transcriber = transformers.WhisperForConditionalGeneration(network.config).half()
    transcriber.model.load_state_dict(network.state_dict())
    transcriber.save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    signal, model = dummy_voice(6400), open_speech_model(str(tmp_path))
    np.testing.assert_allclose(model.features(signal), open_speech_model(str(folder)).features(signal), atol=0.01)


def test_the_shipped_files_hold_an_encoder_in_half_precision_and_its_licence():
    files = shipped_file("whisper-tiny.en")
    assert sorted(path.name for path in files.iterdir()) == ["LICENSE", "encoder.onnx", "place_effect.npy"]
    parameters = 384 * (80 * 3 + 384 * 3 + 150) + 4 * 12 * 384**2  # without biases and norms
    assert 2 * parameters < (files / "encoder.onnx").stat().st_size < 2.05 * parameters
    assert "Copyright (c) 2022 OpenAI" in (files / "LICENSE").read_text(encoding="utf-8")


def test_the_shipped_place_effect_is_that_of_the_shipped_encoder():
    encode = encoder_of(open_network("whisper-tiny.en/encoder"))
    effect = np.load(shipped_file("whisper-tiny.en/place_effect.npy"))
    assert (effect.shape, effect.dtype) == ((5, 50, 384), np.float32)
    np.testing.assert_allclose(place_effect(encode, mel_filters(80, 400)), effect, atol=1e-3)
    assert np.abs(effect).max() > 0.1


def test_the_filters_are_whispers():
    extractor = transformers.WhisperFeatureExtractor()
    np.testing.assert_allclose(mel_filters(80, extractor.n_fft), extractor.mel_filters, atol=1e-12)


@pytest.mark.parametrize(("name", "damage"), [("encoder.onnx", "cannot open"), ("place_effect.npy", "cannot read")])
def test_missing_and_damaged_files_are_a_one_line_error(tmp_path, monkeypatch, name, damage):
    shutil.copytree(shipped_file("whisper-tiny.en"), tmp_path / "whisper-tiny.en")
    monkeypatch.setattr("dd_tools.weights.__file__", str(tmp_path / "__init__.py"))
    path = tmp_path / "whisper-tiny.en" / name
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=rf"^{damage} '.*{name}': [^\n]+$"):
        open_speech_model("whisper")
    path.unlink()
    with pytest.raises(DataError, match=rf"installation is incomplete: '.*{name}' is missing"):
        open_speech_model("whisper")


def test_a_model_of_too_few_positions_is_an_error(tmp_path):
    with pytest.raises(DataError, match="takes 50 frames, expected at least 150"):
        open_speech_model(str(dummy_whisper(tmp_path, max_source_positions=50)))
