"""Levels, layer sums, log-mel, and what all models share: timing, shapes, windows."""

import subprocess
import sys

import numpy as np
import pytest
from factories import dummy_hubert, dummy_whisper

from dd_tools.errors import DataError
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import measure_level, sum_layers
from dd_tools.speech.registry import open_speech_model
from dd_tools.speech.windows import CONTEXT, Window, frame_count, windows


def dummy_voice(samples: int, seed: int = 0) -> np.ndarray:
    """Noise whose loudness rises and falls like syllables."""
    loudness = 0.1 * (1 + np.sin(np.arange(samples) / 600))
    return (loudness * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folders = {"tiny hubert": dummy_hubert, "tiny whisper": dummy_whisper}
    sources = {name: str(make(tmp_path_factory.mktemp("model"))) for name, make in folders.items()}
    return {
        name: open_speech_model(source) for name, source in (sources | {"mel": "mel", "whisper": "whisper"}).items()
    }


@pytest.mark.parametrize("seconds", [0.27, 0.8, 1.55])
@pytest.mark.parametrize("name", ["mel", "tiny hubert", "tiny whisper"])
def test_a_click_changes_its_own_frame_most(models, name, seconds):
    model = models[name]
    quiet = dummy_voice(2 * SAMPLE_RATE) * 0.05
    click = quiet.copy()
    click[round(seconds * SAMPLE_RATE) :][:8] += 0.8
    change = np.abs(features_at_level(model, click, quiet) - features_at_level(model, quiet, quiet))
    for layer in change:
        centre = (layer.sum(axis=1).argmax() + 0.5) / 50
        assert abs(centre - seconds) <= 0.025


def features_at_level(model, samples, of) -> np.ndarray:
    return np.concatenate(list(model.stream([samples], measure_level([of]))), axis=1).astype(np.float64)


@pytest.mark.parametrize("samples", [1, 300, 640, 1600, 16001])
def test_every_model_gives_two_finite_frames_per_latent(models, samples):
    for model in models.values():
        for signal in dummy_voice(samples), np.zeros(samples, np.float32):
            features = model.features(signal)
            assert features.shape == (model.layers, frame_count(samples), model.width)
            assert features.dtype == np.float16
            assert np.isfinite(features).all()


def test_the_level_is_that_of_the_whole_signal():
    signal = dummy_voice(5000) + 0.1
    level = measure_level(np.split(signal, [7, 1000, 1000]))
    assert level.samples == 5000
    assert level.mean == pytest.approx(signal.mean(dtype=np.float64))
    assert level.variance == pytest.approx(signal.var(dtype=np.float64))
    normal = level.normalise(signal)
    assert (normal.mean(), normal.var()) == (pytest.approx(0, abs=1e-4), pytest.approx(1, rel=1e-3))


@pytest.mark.parametrize(("amplitude", "silent"), [(0.0, True), (5e-5, True), (1e-3, False)])
def test_silence_is_detected(amplitude, silent):
    signal = amplitude * np.sign(dummy_voice(1000)) + 0.5  # a constant is not sound
    assert measure_level([signal]).is_silent is silent


@pytest.mark.parametrize("each", [1, 5])
def test_layers_are_summed_with_a_weight_for_each_or_for_each_of_their_values(each):
    random = np.random.default_rng(0)
    features, weights = random.standard_normal((3, 4, 5)).astype(np.float16), random.random((3, each))
    summed = sum_layers(features, weights)
    assert (summed.shape, summed.dtype) == ((1, 4, 5), np.float16)
    for value in range(5):
        expected = features[:, :, value].T.astype(float) @ weights[:, min(value, each - 1)]
        np.testing.assert_allclose(summed[0, :, value], expected, atol=2e-3)


def test_mel_against_a_slow_fourier_transform():
    signal = dummy_voice(6400, seed=1)
    normal = (signal - signal.mean()) / np.sqrt(signal.var() + 1e-7)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(640) / 640)
    filters = slaney_filters(80, 1024)
    features = open_speech_model("mel").features(signal)[0]
    for k in (1, 5, 18):  # frames away from the ends of the signal
        windowed = hann * normal[320 * k - 160 : 320 * k + 480]
        wave = np.exp(-2j * np.pi * np.outer(np.arange(513), np.arange(640)) / 1024)
        power = np.abs(wave @ windowed) ** 2
        np.testing.assert_allclose(features[k], np.log10(np.maximum(filters @ power, 1e-4)), atol=5e-3)


def slaney_filters(bands: int, fft: int) -> np.ndarray:
    """Triangles of unit area on Slaney's scale: 200/3 Hz per mel up to 1 kHz, then 27 mels per factor of 6.4."""
    top = 15 + 27 * np.log(8000 / 1000) / np.log(6.4)
    mels = np.linspace(0, top, bands + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    frequencies = np.arange(fft // 2 + 1) * SAMPLE_RATE / fft
    return np.array(
        [
            np.interp(frequencies, (low, centre, high), (0, 2 / (high - low), 0), left=0, right=0)
            for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False)
        ]
    )


@pytest.mark.parametrize("name", ["mel", "tiny whisper"])
def test_windows_of_a_long_signal_equal_one_pass(models, name):
    """These two models have a limited receptive field, so windows change the features only by rounding."""
    model = models[name]
    signal = dummy_voice(3 * CONTEXT + 12345)
    level = measure_level([signal])
    pieces = [model._extract(window, level) for window in windows([signal], core=CONTEXT, context=CONTEXT)]
    assert len(pieces) == 2
    whole = model._extract(Window(signal, 0, frame_count(len(signal))), level)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=2e-3)


def test_mel_does_not_depend_on_the_level():
    signal, model = dummy_voice(8000), open_speech_model("mel")
    np.testing.assert_allclose(model.features(signal), model.features(0.1 * signal), atol=5e-3)


@pytest.mark.parametrize("name", ["mel", "tiny whisper", "tiny hubert"])
def test_features_beyond_the_range_of_float16_are_limited_to_it(models, name, monkeypatch):
    model = models[name]
    extract = model._extract
    monkeypatch.setattr(model, "_extract", lambda *window: 1e7 * extract(*window))
    features = model.features(dummy_voice(8000))
    assert features.dtype == np.float16 and (features.min(), features.max()) == (-65504, 65504)


@pytest.mark.parametrize("name", ["mel", "whisper"])
def test_models_that_ship_import_neither_torch_nor_transformers(name):
    """Both take seconds to import."""
    code = (
        "import sys, numpy; from dd_tools.speech.registry import open_speech_model;"
        "assert 'onnxruntime' not in sys.modules;"
        f"print(open_speech_model('{name}').features(numpy.ones(999, 'float32')).shape[1]);"
        "print(*{'torch', 'transformers', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("4\n\n", "")


def test_a_speech_model_of_earlier_versions_is_an_error_that_says_so():
    with pytest.raises(DataError, match=r"'moonshine' is no longer part of dd_tools; motion models .* 'whisper'"):
        open_speech_model("moonshine")
