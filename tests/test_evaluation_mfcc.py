"""MFCC against python_speech_features, whose numbers SyncNet was trained on."""

import numpy as np
import pytest
from factories import dummy_voice, shared_file
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.mfcc import mfcc
from dd_tools.evaluation.sync import Voice, sound_of
from dd_tools.media.audio import read_audio

speech_features = pytest.importorskip("python_speech_features")


def whole(sound: np.ndarray) -> np.ndarray:
    """The oracle's rows of whole windows; its last one is padded."""
    return speech_features.mfcc(sound, 16000)[: (len(sound) - 400) // 160 + 1]


@settings(max_examples=30, deadline=None)
@given(st.integers(400, 9000), st.integers(0, 2**32 - 1), st.floats(0, 30000))
def test_noise_is_as_the_library_has_it(count, seed, loudness):
    sound = np.rint(np.random.default_rng(seed).uniform(-loudness, loudness, count))
    assert mfcc(np.concatenate([[0], sound])) == pytest.approx(whole(sound), abs=1e-6)


def test_a_voice_is_as_the_library_has_it():
    sound = np.rint(read_audio(shared_file("data/speech/german.wav"))[:80000] * 32768).astype(np.int16)
    assert mfcc(np.concatenate([[0], sound])) == pytest.approx(whole(sound), abs=1e-6)


def test_windows_come_out_the_same_whatever_the_blocks(tmp_path):
    path = dummy_voice(tmp_path / "voice.wav", seconds=1.3)
    sound = np.rint(read_audio(path) * 32768).astype(np.int16)
    rows = whole(sound)
    count = len(sound) // 640 - 5
    expected = np.stack([rows[4 * index : 4 * index + 20] for index in range(count)])
    voice = Voice(iter(np.split(sound.astype(np.float32) / 32768, [1, 700, 5000, 12345])))
    found = [voice.windows(7) for _ in range(6)]
    assert [len(part) for part in found] == [7, 7, 7, count - 21, 0, 0]
    assert np.concatenate(found) == pytest.approx(expected, abs=1e-6)
    assert len(Voice(sound_of(path)).windows(1000)) == count


@pytest.mark.parametrize(("samples", "count"), [(0, 0), (3839, 0), (3840, 1), (4479, 1), (4480, 2)])
def test_a_window_needs_a_frame_more_than_it_is_long(samples, count):
    voice = Voice(iter([np.zeros(samples, np.float32)]))
    assert len(voice.windows(10)) == count
