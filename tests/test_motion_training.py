"""Training pairs, samples and the objective of stage 2."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_lips, dummy_pairs, dummy_speech

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.arrays import write_array
from dd_tools.motion.augmentation import TELLING, as_another_face
from dd_tools.motion.config import PRESETS
from dd_tools.motion.generation import generate
from dd_tools.motion.lips import lip_opening
from dd_tools.motion.model import MotionModel
from dd_tools.motion.objective import LatentError
from dd_tools.motion.padding import masked_mean_square
from dd_tools.motion.training import MotionData, Pair, fitted, read_pair, read_pairs

TINY = PRESETS["tiny"]


def counted_pair(length: int, name: str = "clip") -> Pair:
    """A clip whose latents and features say which frame they are: latent k holds k, speech frame k holds k / 2."""
    latents = np.repeat(np.arange(length, dtype=np.float32)[:, None], TINY.z_size, axis=1)
    speech = np.repeat(np.arange(2 * length)[None, :, None] / 2, TINY.speech_width, axis=2).astype(np.float16)
    return Pair(name, latents, speech)


def draw(pairs, seed=0, size=6, speakers=None, **settings):
    data = MotionData(pairs, replace(TINY, **settings), speakers or {})
    return data.batch(torch.Generator().manual_seed(seed), size)


@pytest.mark.parametrize("length", [2, 3, 13, 75, 324, 325, 1500])
@pytest.mark.parametrize("residual", [False, True])
def test_samples_are_a_target_and_references_from_elsewhere_in_the_clip(length, residual):
    batch = draw([counted_pair(length)], residual=residual, window=1500)
    expected = 250 if length >= 325 else max(1, length * 250 // 325)
    assert batch["target"].shape == (6, expected, TINY.z_size)
    for speech, target, reference, shown in zip(
        batch["speech"], batch["target"], batch["reference"], batch["reference_valid"], strict=True
    ):
        first, reference = target[0, 0], reference[shown][:, 0]
        assert (target[:, 0] == first + torch.arange(expected)).all()
        assert (speech[0, ::2, 0] == target[:, 0].half()).all()
        assert reference[-1] <= length - 1
        if residual:  # from anywhere else, in order
            assert (reference.diff() >= 1).all()
            assert not set(reference.tolist()) & set(target[:, 0].tolist())
        else:  # exactly what follows, as in the released code
            assert (reference == first + expected + torch.arange(min(length, 325) - expected)).all()


def test_augmented_samples_are_clips_moved_to_another_mean_and_scaled():
    pairs = [
        Pair(name, dummy_latents(200, TINY.z_size, seed=seed) + 10 * seed, counted_pair(200).speech)
        for seed, name in enumerate("abc")
    ]
    plain, augmented = (MotionData(pairs, TINY, {}, augment=augment) for augment in (False, True))
    means = np.stack([pair.latents.mean(0) for pair in pairs])
    shifts, gains = set(), []
    for seed in range(60):
        before, after = (data.batch(torch.Generator().manual_seed(seed), 1) for data in (plain, augmented))
        assert torch.equal(before["speech"], after["speech"])
        moved = (after["target"].mean(1) - before["target"].mean(1))[0].numpy()
        # Nothing, or exactly the difference between the means of two clips.
        differences = (means[:, None] - means[None]).reshape(-1, TINY.z_size)
        nearest = np.abs(differences - moved).max(1).argmin()
        np.testing.assert_allclose(moved, differences[nearest], atol=1e-4)
        shifts.add(int(nearest))
        reference = after["reference"].mean(1) - before["reference"].mean(1)
        np.testing.assert_allclose(reference[0], moved, atol=1e-4)
        gain = (after["target"].std(1) / before["target"].std(1))[0]
        assert gain.std() < 1e-4  # the same for all values
        if before["reference"].shape[1] >= TELLING:
            np.testing.assert_allclose(after["reference"].std(1)[0], gain * before["reference"].std(1)[0], rtol=1e-3)
            gains.append(gain.mean().log())
        else:
            assert gain.mean() == pytest.approx(1, abs=1e-4)
    assert len(shifts) == 7  # none, and every ordered pair of three clips
    assert 0.15 < torch.stack(gains).std() < 0.5


@pytest.mark.parametrize("references", [TELLING, 1])
def test_another_face_rests_as_its_references_do(references):
    """A rest that is among the references stays among them."""
    reference, target = (torch.from_numpy(dummy_latents(count, 4, seed=count)) for count in (references, 9))
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        changed, _, rest = as_another_face(reference, target, reference[0], torch.ones(4), generator)
        torch.testing.assert_close(rest, changed[0])


def test_lips_that_never_move_can_be_trained_on():
    config = replace(TINY, z_size=66, z_points=True)
    data, model = (
        MotionData([Pair("a", np.ones((60, 66), np.float32), dummy_speech(60))], config, {}),
        MotionModel(config),
    )
    data.fit(model)
    assert LatentError(model)(data.batch(torch.Generator().manual_seed(0), 2)).isfinite()


def test_latents_without_lips_make_a_model_without():
    config, speech = PRESETS["default"], dummy_speech(20)
    assert fitted(config, Pair("a", dummy_lips(20, 66), speech), "mel").z_points
    assert not fitted(config, Pair("a", dummy_latents(20, 66), speech), "mel").z_points
    assert not fitted(config, Pair("a", dummy_latents(20, 16), speech), "mel").z_points


def test_a_shorter_window_makes_shorter_targets():
    assert draw([counted_pair(1500)], window=125)["target"].shape[1] == 125


def test_references_of_a_residual_model_are_of_every_number_and_often_one():
    counts = draw([counted_pair(400)], size=200)["reference_valid"].sum(1)
    assert 60 < (counts == 1).sum() < 140
    assert counts.max() > 60
    assert len(counts.unique()) > 30


def test_shorter_clips_are_padded_and_marked():
    batch = draw([counted_pair(13, "short"), counted_pair(26, "long")], size=20, residual=False, window=250)
    assert set(batch["speech_valid"].sum(1).tolist()) == {20, 40}
    assert set(batch["reference_valid"].sum(1).tolist()) == {3, 6}
    for speech, target, valid in zip(batch["speech"], batch["target"], batch["speech_valid"], strict=True):
        assert not speech[:, ~valid].any()
        assert not target[~valid[::2]].any()


def test_a_batch_is_a_function_of_the_generator():
    pairs = [counted_pair(30, "a"), counted_pair(60, "b")]
    first, again, other = draw(pairs, seed=3), draw(pairs, seed=3), draw(pairs, seed=4)
    assert all((first[name] == again[name]).all() for name in first)
    assert any(first[name].shape != other[name].shape or (first[name] != other[name]).any() for name in first)


def test_a_speaker_of_nine_clips_is_drawn_three_times_as_often_as_one_of_one():
    many = [counted_pair(13, f"many{index}") for index in range(9)]
    batch = draw([*many, counted_pair(26, "one")], size=400, speakers={pair.name: "many" for pair in many}, window=250)
    assert 70 < (batch["speech_valid"].sum(1) == 40).sum() < 130


def pooled(clips, times) -> np.ndarray:
    return np.concatenate([np.repeat(z, count, axis=0) for z, count in zip(clips, times, strict=True)]).astype(float)


def test_statistics_count_every_clip_and_those_of_lips_every_speaker_alike():
    """Against those of pools in which each has as many latents, and a plain regression of latents on the opening."""
    clips = [dummy_latents(length, 66, seed=length) for length in (5, 500, 250)]
    pairs = [Pair(str(len(z)), z, dummy_speech(len(z))) for z in clips]
    config = replace(TINY, z_size=66, z_points=True)
    model = MotionModel(config)
    MotionData(pairs, config, {"500": "one", "250": "one"}).fit(model)
    alike = pooled(clips, (100, 1, 2))
    np.testing.assert_allclose(model.latent_mean, alike.mean(0), atol=1e-5)
    np.testing.assert_allclose(model.latent_deviation, alike.std(0), rtol=1e-4)
    openings = [lip_opening(torch.from_numpy(z)).numpy()[:, None] for z in clips]
    assert float(model.opening_mean) == pytest.approx(pooled(openings, (200, 1, 2)).mean(), abs=1e-5)
    apart, latents = (pooled([z - z.mean(0) for z in each], (200, 1, 2)) for each in (openings, clips))
    assert float(model.opening_deviation) == pytest.approx(apart.std(), rel=1e-4)
    np.testing.assert_allclose(model.opening_way, np.linalg.lstsq(apart, latents, rcond=None)[0][0], atol=1e-4)
    assert float(lip_opening(model.opening_way)) == pytest.approx(1, abs=1e-4)


def test_masked_mean_square_is_the_mean_over_what_is_valid():
    error, valid = torch.randn(2, 4, 3), torch.tensor([[True, True, False, False], [True] * 4])
    error[0, 2:] = float("nan")
    expected = torch.cat([error[0, :2], error[1]]).square().mean()
    torch.testing.assert_close(masked_mean_square(error, valid), expected)


@pytest.mark.parametrize("residual", [False, True])
def test_loss_is_the_mean_square_error_in_the_right_units(residual):
    pairs = [Pair("clip", dummy_latents(40), dummy_speech(40))]
    config = replace(TINY, residual=residual)
    data, model = MotionData(pairs, config, {}), MotionModel(config).eval()
    if residual:
        data.fit(model)
    batch = data.batch(torch.Generator().manual_seed(0), 3)
    with torch.inference_mode():
        predicted = model(batch["speech"].float(), batch["reference"], None, batch["reference_valid"])
        unit = model.reach(batch["reference"], batch["reference_valid"]) if residual else 1.0
        expected = ((predicted - batch["target"]) / unit).square().mean()
        torch.testing.assert_close(LatentError(model)(batch), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("residual", [False, True])
def test_a_small_problem_is_learnt(residual):
    """Latents that follow the voice: the error falls far below that of the mean."""
    config = replace(TINY, residual=residual, speech_width=8, z_size=4)
    speech = dummy_speech(120, width=8)
    latents = np.ascontiguousarray(speech[0, ::2, :4], np.float32) + 3
    data = MotionData([Pair("clip", latents, speech)], config, {})
    torch.manual_seed(0)
    model = MotionModel(config)
    if residual:
        data.fit(model)
    objective, optimizer = LatentError(model).train(), torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for step in range(60):
        loss = objective(data.batch(torch.Generator().manual_seed(step), 2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    if residual:
        error = generate(model, speech, latents[-20:]) - latents
        assert np.square(error).mean() < 0.6 * latents.var(0).mean()


@pytest.fixture
def folders(tmp_path):
    """The parent of folders ``latents`` and ``speech`` of the clips a, b and c."""
    dummy_pairs(tmp_path)
    return tmp_path


def test_pairs_are_cut_to_the_shorter(folders):
    write_array(folders / "speech/a.npy", dummy_speech(34))
    pair = read_pair(folders / "latents/a.npy", folders / "speech/a.npy")
    assert (pair.name, pair.sizes, len(pair.latents), pair.speech.shape[1]) == ("a", (1, 80, 16), 30, 60)


@pytest.mark.parametrize("delay", [-4, -1, 0, 3])
def test_a_delay_is_undone(folders, delay):
    motion = np.repeat(np.arange(30, dtype=np.float32)[:, None], 16, axis=1)
    voice = np.repeat((np.arange(60) // 2 + delay)[None, :, None], 80, axis=2)  # says which latent belongs to it
    write_array(folders / "latents/a.npy", motion)
    write_array(folders / "speech/a.npy", voice.astype(np.float16))
    pair = read_pairs([folders / "latents/a.npy"], folders / "speech", {"a": delay})[0]
    assert len(pair.latents) == 30 - abs(delay)
    assert (pair.speech[0, ::2, 0] == pair.latents[:, 0]).all()


@pytest.mark.parametrize(("latents", "pictures"), [(30, 36), (36, 30)])
def test_pairs_of_different_length_are_refused(folders, latents, pictures):
    write_array(folders / "latents/a.npy", dummy_latents(latents))
    write_array(folders / "speech/a.npy", dummy_speech(pictures))
    with pytest.raises(DataError, match=r"'.*latents/a.npy' lasts .* s and '.*speech/a.npy' .* s: not the same clip"):
        read_pair(folders / "latents/a.npy", folders / "speech/a.npy")


def test_every_missing_partner_is_named(folders):
    for name in "ac":
        (folders / "speech" / f"{name}.npy").unlink()
    with pytest.raises(DataError, match=r"no speech features in '.*speech' for 2 of 3 latents: a, c"):
        read_pairs(sorted((folders / "latents").iterdir()), folders / "speech")


def test_the_ends_of_a_configuration_come_from_the_data():
    pair = Pair("clip", dummy_latents(9, 7), dummy_speech(9, 3, 5))
    with pytest.raises(UsageError, match=r"speech has 3 layers of 5 features, mel makes 1 of 80: .* --speech-model"):
        fitted(TINY, pair, None)
    config = fitted(TINY, pair, "./hubert")
    assert (config.speech_model, config.speech_layers, config.speech_width, config.z_size) == ("./hubert", 3, 5, 7)
    assert config.width == TINY.width


def test_clips_of_another_size_are_refused():
    pairs = [Pair("a", dummy_latents(9), dummy_speech(9)), Pair("b", dummy_latents(9, 8), dummy_speech(9))]
    with pytest.raises(
        DataError, match=r"clip 'b' has 1 layers of 80 speech features and latents of 8, the model takes"
    ):
        MotionData(pairs, TINY, {})
