"""Latents and speech features of the same clip, from files."""

import numpy as np
import pytest
from factories import dummy_latents, dummy_pairs, dummy_speech

from dd_tools.errors import DataError
from dd_tools.formats.arrays import write_array
from dd_tools.training.sequences import read_all_sequences, read_clip_sequences


@pytest.fixture
def folders(tmp_path):
    """The parent of folders ``latents`` and ``speech`` of the clips a, b and c."""
    dummy_pairs(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("latents", "speech"), [(30, 34), (34, 30), (30, 35), (30, 30)])
def test_both_are_cut_to_the_shorter(folders, latents, speech):
    motion, features = dummy_latents(latents), dummy_speech(speech)
    write_array(folders / "latents/a.npy", motion)
    write_array(folders / "speech/a.npy", features)
    clip = read_clip_sequences(folders / "latents/a.npy", folders / "speech/a.npy")
    assert (clip.name, clip.sizes) == ("a", (1, 80, 16))
    np.testing.assert_array_equal(clip.latents, motion[:30])
    np.testing.assert_array_equal(clip.speech, features[:, :60])


def test_an_odd_speech_frame_at_the_end_is_left_out(folders):
    write_array(folders / "speech/a.npy", dummy_speech(30)[:, :59])
    clip = read_clip_sequences(folders / "latents/a.npy", folders / "speech/a.npy")
    assert (len(clip.latents), clip.speech.shape[1]) == (29, 58)


@pytest.mark.parametrize("delay", [-4, -1, 0, 3])
def test_a_delay_of_the_video_is_undone(folders, delay):
    motion = np.repeat(np.arange(30, dtype=np.float32)[:, None], 16, axis=1)
    features = np.repeat((np.arange(60) // 2 + delay)[None, :, None], 80, axis=2)  # tells which latent belongs to it
    write_array(folders / "latents/a.npy", motion)
    write_array(folders / "speech/a.npy", features.astype(np.float16))
    clip = read_all_sequences([folders / "latents/a.npy"], folders / "speech", {"a": delay})[0]
    assert len(clip.latents) == 30 - abs(delay)
    np.testing.assert_array_equal(clip.speech[0, ::2, 0], clip.latents[:, 0])


@pytest.mark.parametrize(("latents", "speech"), [(30, 36), (36, 30)])
def test_files_that_differ_by_more_than_a_fifth_of_a_second_are_refused(folders, latents, speech):
    write_array(folders / "latents/a.npy", dummy_latents(latents))
    write_array(folders / "speech/a.npy", dummy_speech(speech))
    complaint = rf"'.*latents/a.npy' lasts {latents / 25:.2f} s and '.*speech/a.npy' {speech / 25:.2f} s: not the same"
    with pytest.raises(DataError, match=complaint):
        read_clip_sequences(folders / "latents/a.npy", folders / "speech/a.npy")


@pytest.mark.parametrize(("length", "delay"), [(1, 0), (4, 3), (4, -3), (4, 30), (4, -30)])
def test_a_clip_too_short_to_train_on_is_refused(folders, length, delay):
    write_array(folders / "latents/a.npy", dummy_latents(length))
    write_array(folders / "speech/a.npy", dummy_speech(length))
    with pytest.raises(DataError, match=r"'.*latents/a.npy' is too short to train on: \d latents, expected 2 or more"):
        read_clip_sequences(folders / "latents/a.npy", folders / "speech/a.npy", delay)


def test_every_missing_partner_is_named(folders):
    for name in "ac":
        (folders / "speech" / f"{name}.npy").unlink()
    with pytest.raises(DataError, match=r"no speech features in '.*speech' for 2 of 3 latents: a, c"):
        read_all_sequences(sorted((folders / "latents").iterdir()), folders / "speech")
