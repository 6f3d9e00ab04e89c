"""From a sound file to a file of features, as long as the sound or cut to a length."""

import numpy as np
from factories import dummy_voice
from hypothesis import given, settings
from hypothesis import strategies as st
from reporters import RecordingReporter

from dd_tools.speech.extraction import fit_length, write_features
from dd_tools.speech.registry import open_speech_model


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), max_size=5), st.integers(0, 60))
def test_a_signal_is_cut_or_followed_by_silence(lengths, samples):
    signal = np.arange(1, sum(lengths) + 1, dtype=np.float32)
    blocks = np.split(signal, np.cumsum(lengths)[:-1]) if lengths else []
    found = np.concatenate([np.empty(0), *fit_length(blocks, samples)])
    expected = np.concatenate([signal, np.zeros(samples)])[:samples]
    np.testing.assert_array_equal(found, expected)


def test_features_of_a_cut_sound_are_the_beginning_of_the_whole(tmp_path):
    voice = dummy_voice(tmp_path / "voice.wav", seconds=2)
    model = open_speech_model("mel")
    report = RecordingReporter()
    write_features(model, voice, tmp_path / "whole.npy", report=report)
    assert report.loops == [(None, "voice.wav")]
    write_features(model, voice, tmp_path / "cut.npy", samples=16000)
    write_features(model, voice, tmp_path / "long.npy", samples=48000)
    whole, cut, long = (np.load(tmp_path / f"{name}.npy") for name in ("whole", "cut", "long"))
    assert (whole.shape[1], cut.shape[1], long.shape[1]) == (100, 50, 150)
    np.testing.assert_allclose(cut[:, :48], whole[:, :48], atol=1e-2)
    np.testing.assert_allclose(long[:, :98], whole[:, :98], atol=1e-2)
