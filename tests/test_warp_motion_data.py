"""Training samples of the warp motion model, and the statistics of its training data."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from tiny_warp import MOTION

from dd_tools.errors import DataError
from dd_tools.training.sequences import ClipSequences
from dd_tools.warp.latents import closed_mouth, latent_aperture
from dd_tools.warp.motion_augmentation import CLOSING
from dd_tools.warp.motion_data import MotionData
from dd_tools.warp.motion_network import MotionNetwork

Z, WIDTH = MOTION.z_size, MOTION.speech_width


def counted_clip(length: int, name: str = "clip") -> ClipSequences:
    """Latents and features say which they are: latent k holds k, speech frame k holds k / 2."""
    latents = np.repeat(np.arange(length, dtype=np.float32)[:, None], Z, axis=1)
    speech = np.repeat(np.arange(2 * length)[None, :, None] / 2, WIDTH, axis=2).astype(np.float16)
    return ClipSequences(name, latents, speech)


def draw(clips, seed=0, size=6, speakers=None, augment=False, **changes) -> dict[str, torch.Tensor]:
    data = MotionData(clips, replace(MOTION, **changes), speakers or {}, augment=augment)
    return data.batch(torch.Generator().manual_seed(seed), size)


@pytest.mark.parametrize(
    ("length", "expected"), [(2, 1), (3, 2), (13, 10), (75, 57), (324, 249), (325, 250), (1500, 250)]
)
def test_samples_are_a_target_and_references_from_elsewhere_in_the_clip(length, expected):
    batch = draw([counted_clip(length)], size=20, window=1500)
    assert batch["target"].shape == (20, expected, Z)
    for speech, target, reference, valid in zip(
        batch["speech"], batch["target"], batch["reference"], batch["reference_valid"], strict=True
    ):
        first, reference = target[0, 0], reference[valid][:, 0]
        assert (target[:, 0] == first + torch.arange(expected)).all()
        assert (speech[0, ::2, 0] == target[:, 0].half()).all()
        assert reference[0] >= 0 and reference[-1] <= length - 1 and (reference.diff() >= 1).all()
        assert not set(reference.tolist()) & set(target[:, 0].tolist())


def test_a_shorter_window_makes_shorter_targets():
    assert draw([counted_clip(1500)], window=125)["target"].shape[1] == 125


def test_references_are_of_every_number_and_often_one():
    counts = draw([counted_clip(400)], size=200, window=250)["reference_valid"].sum(1)
    assert 60 < (counts == 1).sum() < 140
    assert 60 < counts.max() <= 75
    assert len(counts.unique()) > 30


def test_shorter_clips_are_padded_and_marked():
    batch = draw([counted_clip(13, "short"), counted_clip(26, "long")], size=20, window=250)
    assert set(batch["speech_valid"].sum(1).tolist()) == {20, 40}
    for speech, target, valid in zip(batch["speech"], batch["target"], batch["speech_valid"], strict=True):
        assert not speech[:, ~valid].any()
        assert not target[~valid[::2]].any()


@pytest.mark.parametrize("augment", [False, True])
def test_a_batch_is_a_function_of_the_generator(augment):
    clips = [counted_clip(30, "a"), counted_clip(60, "b")]
    first, again, other = (draw(clips, seed, augment=augment) for seed in (3, 3, 4))
    assert all((first[name] == again[name]).all() for name in first)
    assert any(first[name].shape != other[name].shape or (first[name] != other[name]).any() for name in first)


def test_a_speaker_of_nine_clips_is_drawn_three_times_as_often_as_one_of_one():
    many = [counted_clip(13, f"many{index}") for index in range(9)]
    batch = draw([*many, counted_clip(26, "one")], size=400, speakers={clip.name: "many" for clip in many}, window=250)
    assert 70 < (batch["speech_valid"].sum(1) == 40).sum() < 130


def test_augmented_targets_move_by_the_difference_between_the_means_of_two_clips():
    clips = [
        ClipSequences(name, dummy_latents(200, Z, seed=seed) + 10 * seed, counted_clip(200).speech)
        for seed, name in enumerate("abc")
    ]
    means = np.stack([clip.latents.mean(0) for clip in clips])
    differences = (means[:, None] - means[None]).reshape(9, Z)
    found = set()
    for seed in range(60):
        before, after = (draw(clips, seed, 1, augment=augment, window=250) for augment in (False, True))
        assert torch.equal(before["speech"], after["speech"])
        moved = [(after[name].mean(1) - before[name].mean(1))[0].numpy() for name in ("target", "reference")]
        nearest = np.abs(differences - moved[0]).max(1).argmin()
        np.testing.assert_allclose(moved, differences[[nearest, nearest]], atol=1e-4)
        found.add(int(nearest))
    assert len(found) == 7  # none, and every ordered pair of three clips


def test_a_face_that_never_moves_becomes_another_clips_or_stays():
    clips = [
        ClipSequences(name, np.full((100, Z), level, np.float32), dummy_speech(100))
        for name, level in (("a", 0), ("b", 10), ("c", 30))
    ]
    batch = draw(clips, size=100, augment=True)
    levels = batch["target"][:, 0]
    assert set(levels[:, 0].tolist()) == {0, 10, 30} and (levels == levels[:, :1]).all()


def test_in_silence_the_target_is_the_clips_own_closed_mouth():
    clip = ClipSequences("a", dummy_latents(100, Z), dummy_speech(100))
    quiet = np.full((1, 300, WIDTH), -7, np.float16)
    data, plain = (MotionData([clip], MOTION, {}, augment=False, silence=silence) for silence in (quiet, None))
    closed, found = closed_mouth(torch.from_numpy(clip.latents)[None])[0], 0
    for seed in range(20):
        batch, before = (source.batch(torch.Generator().manual_seed(seed), 1) for source in (data, plain))
        silent = (batch["speech"][0, 0, ::2] == -7).all(-1)
        assert torch.equal(batch["silence"][0] > 0, silent)
        found += silent.any()
        at_rest = (batch["target"][0] - closed).abs().amax(-1) < 1e-5
        assert not (at_rest & ~silent).any()
        assert not silent.any() or at_rest.sum() >= silent.sum() - 2 * CLOSING
        assert silent.any() or (batch["target"] == before["target"]).all()
    assert 0 < found < 20
    assert "silence" not in plain.batch(torch.Generator(), 1)


def pooled(clips, times) -> np.ndarray:
    return np.concatenate([np.repeat(z, count, axis=0) for z, count in zip(clips, times, strict=True)]).astype(float)


def test_statistics_count_every_clip_alike_and_those_of_speech_and_lips_every_speaker():
    """Against those of pools in which each has as many latents, and a plain regression of latents on the aperture."""
    latents = [dummy_latents(length, 66, seed=length) for length in (5, 500, 250)]
    speech = [dummy_speech(len(z), 3, seed=len(z)) * np.float16(len(z) / 100) + np.float16(1) for z in latents]
    clips = [ClipSequences(str(len(z)), z, features) for z, features in zip(latents, speech, strict=True)]
    config = replace(MOTION, speech_layers=3)
    network = MotionNetwork(config)
    MotionData(clips, config, {"500": "one", "250": "one"}).fit_statistics(network)
    for layer in range(3):
        spoken = pooled([features[layer] for features in speech], (200, 1, 2))
        np.testing.assert_allclose(network.speech_mean[layer], spoken.mean(0), atol=1e-4)
        np.testing.assert_allclose(network.speech_std[layer], spoken.std(0), rtol=1e-4)
    alike = pooled(latents, (100, 1, 2))
    np.testing.assert_allclose(network.latent_mean, alike.mean(0), atol=1e-5)
    np.testing.assert_allclose(network.latent_std, alike.std(0), rtol=1e-4)
    apertures = [latent_aperture(torch.from_numpy(z)).numpy()[:, None] for z in latents]
    assert float(network.aperture_mean) == pytest.approx(pooled(apertures, (200, 1, 2)).mean(), abs=1e-5)
    centred, moved = (pooled([z - z.mean(0) for z in each], (200, 1, 2)) for each in (apertures, latents))
    assert float(network.aperture_std) == pytest.approx(centred.std(), rel=1e-4)
    slope = np.linalg.lstsq(centred, moved, rcond=None)[0][0]
    np.testing.assert_allclose(network.aperture_direction, slope, atol=1e-4)
    assert float(latent_aperture(network.aperture_direction)) == pytest.approx(1, abs=1e-4)


def test_statistics_of_faces_count_every_speaker_alike_and_are_shrunk_towards_their_diagonals():
    """Against numpy's covariances of pools in which each speaker has as many clips, and each clip as many latents."""
    latents = [dummy_latents(length, Z, seed=length) for length in (5, 500, 250)]
    clips = [ClipSequences(str(len(z)), z, dummy_speech(len(z))) for z in latents]
    network = MotionNetwork(MOTION)
    MotionData(clips, MOTION, {"500": "one", "250": "one"}).fit_statistics(network)
    means = np.stack([z.mean(0) for z in latents]).astype(float)[[0, 0, 1, 2]]
    np.testing.assert_allclose(network.face_mean, means.mean(0), atol=1e-5)
    within = pooled([z - z.mean(0) for z in latents], (200, 1, 2))
    units = np.outer(network.latent_std, network.latent_std)
    for buffer, values in ((network.face_between, means), (network.face_within, within)):
        expected = np.cov(values.T, bias=True) / units
        half = (expected + np.diag(np.diag(expected))) / 2
        np.testing.assert_allclose(buffer, half, atol=1e-5)
        assert np.linalg.eigvalsh(buffer.numpy()).min() > 0


def test_a_clip_more_of_the_same_speaker_does_not_change_the_statistics_of_faces():
    """In the latents' own units; their standard deviations count all clips."""
    clips = [ClipSequences(name, dummy_latents(50, Z, seed=len(name)), dummy_speech(50)) for name in ("a", "bb")]
    found = []
    for more in ([], [ClipSequences("a again", clips[0].latents, clips[0].speech)]):
        network = MotionNetwork(MOTION)
        MotionData(clips + more, MOTION, {"a": "one", "a again": "one"}).fit_statistics(network)
        units = torch.outer(network.latent_std, network.latent_std)
        found.append([network.face_mean, network.face_between * units, network.face_within * units])
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


def test_a_single_clip_says_nothing_of_other_faces():
    """The face at rest is then the mean of the references, whoever they show."""
    network, other = MotionNetwork(MOTION), torch.from_numpy(dummy_latents(3, Z, seed=1))[None]
    MotionData([ClipSequences("a", dummy_latents(50, Z), dummy_speech(50))], MOTION, {}).fit_statistics(network)
    torch.testing.assert_close(network.face_at_rest(other), other.mean(1))


def test_clips_of_another_size_are_refused():
    clips = [ClipSequences(name, dummy_latents(9, z), dummy_speech(9)) for name, z in (("a", Z), ("b", 8))]
    with pytest.raises(
        DataError, match=r"clip 'b' has 1 layers of 80 speech features and latents of 8, the model takes .* of 66"
    ):
        MotionData(clips, MOTION, {})
