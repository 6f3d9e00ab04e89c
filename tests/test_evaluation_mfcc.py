"""MFCC against python_speech_features, with which SyncNet was trained."""

import numpy as np
import pytest
from factories import dummy_voice, shared_file
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.measures.sync.audio_windows import AudioWindows
from dd_tools.evaluation.measures.sync.lse import audio_of
from dd_tools.evaluation.measures.sync.mfcc import mfcc
from dd_tools.media.audio import read_audio

speech_features = pytest.importorskip("python_speech_features")


def complete_rows(samples: np.ndarray) -> np.ndarray:
    """The oracle's rows without the last one, which is padded."""
    return speech_features.mfcc(samples, 16000)[: (len(samples) - 400) // 160 + 1]


@settings(max_examples=30, deadline=None)
@given(st.integers(400, 9000), st.integers(0, 2**32 - 1), st.floats(0, 30000))
def test_noise_agrees_with_the_library(count, seed, loudness):
    samples = np.rint(np.random.default_rng(seed).uniform(-loudness, loudness, count))
    assert mfcc(np.concatenate([[0], samples])) == pytest.approx(complete_rows(samples), abs=1e-6)


def test_speech_agrees_with_the_library():
    samples = np.rint(read_audio(shared_file("data/speech/german.wav"))[:80000] * 32768).astype(np.int16)
    assert mfcc(np.concatenate([[0], samples])) == pytest.approx(complete_rows(samples), abs=1e-6)


def test_windows_do_not_depend_on_the_blocks(tmp_path):
    path = dummy_voice(tmp_path / "voice.wav", seconds=1.3)
    samples = np.rint(read_audio(path) * 32768).astype(np.int16)
    rows = complete_rows(samples)
    count = len(samples) // 640 - 5
    expected = np.stack([rows[4 * index : 4 * index + 20] for index in range(count)])
    windows = AudioWindows(iter(np.split(samples.astype(np.float32) / 32768, [1, 700, 5000, 12345])))
    found = [windows.windows(7) for _ in range(6)]
    assert [len(part) for part in found] == [7, 7, 7, count - 21, 0, 0]
    assert np.concatenate(found) == pytest.approx(expected, abs=1e-6)
    assert len(AudioWindows(audio_of(path)).windows(1000)) == count


@pytest.mark.parametrize(("samples", "count"), [(0, 0), (3839, 0), (3840, 1), (4479, 1), (4480, 2)])
def test_a_window_needs_one_frame_more_than_its_length(samples, count):
    windows = AudioWindows(iter([np.zeros(samples, np.float32)]))
    assert len(windows.windows(10)) == count
