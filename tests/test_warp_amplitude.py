"""A generated motion matched to the speaker: numpy's weighted statistics as an independent oracle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_warp import DOWN

from dd_tools.warp.amplitude import DEFAULT_SCALE, MIN_APERTURE, SpeakerMotion
from dd_tools.warp.latents import latent_aperture

SEEDS = st.integers(0, 2**31)
LONG = 3000  # latents, two minutes: of these nearly all is believed


def aperture(latents: np.ndarray) -> np.ndarray:
    return latent_aperture(torch.from_numpy(latents)).numpy()


def statistics(track: np.ndarray, speech: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation while the face speaks."""
    mean = np.average(track, weights=speech)
    return mean, np.sqrt(np.average((track - mean) ** 2, weights=speech))


def pauses(rng: np.random.Generator, length: int, share: float = 0.3) -> np.ndarray:
    """Speech (T,), 0 or 1, in stretches of a second."""
    return np.repeat(rng.random(-(-length // 25)) > share, 25)[:length].astype(np.float32)


def of_aperture(track: np.ndarray, speech: np.ndarray) -> SpeakerMotion:
    """A face whose lips do nothing but open by `track` (T,) while it speaks, and are closed at rest."""
    movement = (track * speech)[:, None].astype(np.float32) * DOWN
    return SpeakerMotion(np.zeros_like(movement), movement, speech[:, None].astype(np.float32), DOWN)


def of_noise(seed: int, length: int = LONG, gain: float = 1.0) -> tuple[SpeakerMotion, np.ndarray, np.ndarray]:
    """A face all of whose latents move, its base latents, and where it speaks.

    Lips open by 0.1 or so, more or less; at rest they are apart by 0.03.
    """
    rng = np.random.default_rng(seed)
    speech = pauses(rng, length)
    base = np.tile(rng.standard_normal(66) * (1 - np.abs(DOWN)), (length, 1)).astype(np.float32)
    base += (0.03 - aperture(base))[:, None] * DOWN
    movement = rng.uniform(-0.3, 0.3) * DOWN + 0.1 * rng.standard_normal((length, 66)).astype(np.float32)
    movement = (gain * speech[:, None] * movement).astype(np.float32)
    return SpeakerMotion(base, movement, speech[:, None], DOWN), base, speech


@given(SEEDS, st.floats(0.6, 3), st.floats(0, 1), st.floats(0.5, 2))
@settings(deadline=None, max_examples=40)
def test_matched_lips_have_the_mean_and_the_standard_deviation_asked_for(seed, share, confidence, gain):
    """However far the model moved them, and whatever the references tell of the other latents."""
    motion, _, speech = of_noise(seed, gain=gain)
    raw_mean, raw_std = statistics(aperture(motion.motion), speech)
    wanted_mean, wanted_std = 6 * share * raw_std, share * raw_std  # far from lips that are pressed together
    motion.match_aperture(wanted_mean, wanted_std, confidence)
    mean, std = statistics(aperture(motion.latents(1.0)), speech)
    # Of two minutes a hundredth is not believed, and pauses have their share of it.
    assert mean == pytest.approx(wanted_mean, abs=float(0.025 * (wanted_mean + abs(raw_mean))))
    assert std == pytest.approx(wanted_std, rel=0.02)


def test_matching_literal():
    """Lips that are apart by 0 and 1 in turn are, with mean 0.6 and standard deviation 0.4, by 0.2 and 1."""
    motion = of_aperture(np.resize([0.0, 1.0], 100), np.ones(100))
    motion.confidence = 1.0
    motion.match_aperture(0.6, 0.4, confidence=1.0)
    np.testing.assert_allclose(aperture(motion.latents(1.0)), np.resize([0.2, 1.0], 100), atol=1e-5)
    assert motion.scale == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0])
def test_all_latents_move_about_the_mean_of_the_references_as_far_as_these_are_believed(confidence):
    """The model moves every latent by 0.2 on average, beside the lips; a clip whose face is at 0 says it should not."""
    rng, elsewhere = np.random.default_rng(0), DOWN == 0
    movement = (0.2 + 0.05 * rng.standard_normal((LONG, 66))).astype(np.float32)
    motion = SpeakerMotion(np.zeros((LONG, 66), np.float32), movement, np.ones((LONG, 1), np.float32), DOWN)
    motion.match_aperture(0.5, 0.05, confidence)
    mean = motion.latents(1.0).mean(0)
    np.testing.assert_allclose(mean[elsewhere], 0.2 * (1 - confidence), atol=0.01)
    assert aperture(mean[None]).item() == pytest.approx(0.5, abs=0.01)


@given(SEEDS, st.floats(0.6, 1.6))
@settings(deadline=None, max_examples=20)
def test_how_far_the_model_moved_does_not_matter(seed, gain):
    """With references that are believed, a motion and the same motion enlarged become the same in all latents."""
    plain, enlarged = (of_noise(seed, gain=one)[0] for one in (1.0, gain))
    for motion in (plain, enlarged):
        motion.match_aperture(0.8, 0.12, confidence=1.0)
    np.testing.assert_allclose(plain.latents(1.0), enlarged.latents(1.0), atol=0.03)


@pytest.mark.parametrize(("swing", "least", "most"), [(1e-4, 0, 4.3e-4), (1.0, 0.4, 2.0)])
def test_motion_is_neither_magnified_nor_reduced_without_bound(swing, least, most):
    """By 1.4 / 3 at least, and by 1.4 × 3 at most."""
    motion = of_aperture(2 + swing * np.sin(np.arange(LONG)), np.ones(LONG))
    motion.match_aperture(2.0, 0.01 if swing == 1 else 0.2, confidence=1.0)
    std = statistics(aperture(motion.latents(1.0)), np.ones(LONG))[1]
    assert least < std / 0.7071 < most
    assert std / (swing * 0.7071) == pytest.approx({1e-4: 4.2, 1.0: 0.467}[swing], rel=0.02)


@given(SEEDS, st.floats(0, 5))
@settings(deadline=None, max_examples=40)
def test_in_silence_the_face_is_at_rest_whatever_is_asked_for(seed, expression):
    motion, base, speech = of_noise(seed, length=500)
    motion.match_aperture(0.5, 0.2, confidence=0.5)
    silent = speech == 0
    np.testing.assert_array_equal(motion.latents(expression)[silent], base[silent])


@given(SEEDS, st.floats(0, 5), st.floats(-1, 1), st.floats(0.01, 1))
@settings(deadline=None, max_examples=40)
def test_lips_never_overlap_by_more_than_pressed_lips_do(seed, expression, mean, std):
    motion, _, speech = of_noise(seed, length=500, gain=3)
    motion.match_aperture(mean, std, confidence=1.0)
    latents = motion.latents(expression)
    assert aperture(latents).min() >= MIN_APERTURE - 1e-5
    assert np.isfinite(latents).all()
    assert (aperture(latents)[speech == 0] > 0).all()


@pytest.mark.parametrize("expression", [0.0, 1.0, 3.0])
def test_lips_that_would_pass_through_each_other_stay_pressed_and_others_move_freely(expression):
    track = np.array([-0.1, 0.3, 0.0, 0.2])  # mean 0.1
    motion = of_aperture(track, np.ones(4))
    wanted = {0: [0.1] * 4, 1: [-0.02, 0.3, 0.0, 0.2], 3: [-0.02, 0.7, -0.02, 0.4]}[expression]
    np.testing.assert_allclose(aperture(motion.latents(expression)), wanted, atol=1e-5)


@given(SEEDS, st.floats(0.2, 3))
@settings(deadline=None, max_examples=20)
def test_expression_scales_what_is_spoken_about_its_mean(seed, expression):
    motion, _, _ = of_noise(seed, length=500)
    motion.match_aperture(5.0, 0.1, confidence=1.0)  # lips far apart
    still, once, scaled = (motion.latents(one) for one in (0.0, 1.0, expression))
    np.testing.assert_allclose(scaled - still, expression * (once - still), atol=2e-3)


def test_half_of_what_is_asked_for_is_believed_after_a_second_of_speech():
    """Of a few latents next to nothing: a word moves as the model usually does, whatever the references."""
    moved = {}
    for length in (2, 25, 25_000):
        motion = of_aperture(3 + np.resize([0.1, -0.1], length), np.ones(length))
        motion.match_aperture(4.0, 0.1 * DEFAULT_SCALE * 2, confidence=0.0)
        lips = aperture(motion.latents(1.0))
        moved[length] = lips.mean() - 3, np.log2(lips.std() / 0.1 / DEFAULT_SCALE)
    np.testing.assert_allclose(moved[25], (0.5, 0.5), atol=0.01)
    np.testing.assert_allclose(moved[25_000], (1, 1), atol=0.01)
    assert 0 < moved[2][0] < 0.1 and 0 < moved[2][1] < 0.1


@given(SEEDS)
@settings(deadline=None, max_examples=10)
def test_nothing_moves_where_nobody_speaks(seed):
    """Although the model predicts movement there too: silence and its noise have features as well."""
    rng = np.random.default_rng(seed)
    speech = pauses(rng, 500)
    base = np.full((500, 66), 0.5, np.float32)
    base += (0.03 - aperture(base))[:, None] * DOWN
    movement = (0.1 * rng.standard_normal((500, 66))).astype(np.float32)
    motion = SpeakerMotion(base, movement, speech[:, None], DOWN)
    motion.match_aperture(0.2, 0.1, 0.8)
    np.testing.assert_allclose(motion.latents(1.0)[speech == 0], base[speech == 0], atol=1e-5)
