"""How far and how wide a mouth opens while it speaks, and with what."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_speech
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.face.landmarks import LOWER_INNER_LIP, MOUTH_REGION
from dd_tools.motion.config import PRESETS
from dd_tools.motion.delivery import PRESSED, USUAL, Delivery
from dd_tools.motion.generation import generate
from dd_tools.motion.lips import lip_opening
from dd_tools.motion.model import Motion, MotionModel
from dd_tools.speech.loudness import amplitude, rhythm

TINY = PRESETS["tiny"]
LOWER = [-50 + 2 * MOUTH_REGION.index(point) + 1 for point in LOWER_INNER_LIP]
DOWN = np.zeros(66, np.float32)  # the lower lip moves down by one unit
DOWN[LOWER] = 1


class Chattering(MotionModel):
    """Opens and shuts the mouth by so much, until it is silent and the mouth hangs open."""

    swing, speaks = 0.1, 400

    def speak(self, speech, reference):
        length = speech.shape[2] // 2
        voiced = (torch.arange(length) < self.speaks).float()[None, :, None]
        movement = torch.zeros(1, length, 66)
        movement[..., LOWER] = self.swing * torch.arange(length).sin()[None, :, None]
        return Motion(torch.zeros_like(movement), movement * voiced, torch.inf * (0.5 - voiced))


def chatter(swing: float, speaks: int, opening: float, **options) -> np.ndarray:
    """How far the lips are apart (400,), of a face whose references open by `opening` either way."""
    model = Chattering(replace(TINY, z_size=66, z_points=True, window=1000)).eval()
    model.swing, model.speaks = swing, speaks
    model.opening_deviation.fill_(opening)
    reference = np.zeros((75, 66), np.float32)
    reference[:, LOWER] = opening * np.resize([1, -1], 75)[:, None]
    return lip_opening(torch.from_numpy(generate(model, dummy_speech(400), reference, **options))).numpy()


@pytest.mark.parametrize("swing", [0.05, 0.1, 0.12])
@pytest.mark.parametrize("opening", [0.05, 0.08])
def test_lips_open_as_far_as_in_the_references_however_sure_the_model_is(swing, opening):
    usual = USUAL * swing / np.sqrt(2)
    told = 400 / 425
    assert chatter(swing, 400, opening).std() == pytest.approx(usual * (opening / usual) ** told, rel=0.02)
    assert chatter(swing, 400, opening, expression=2).std() == pytest.approx(
        2 * chatter(swing, 400, opening).std(), rel=1e-3
    )


def test_silence_neither_tells_nor_is_exaggerated():
    opening = chatter(0.1, 200, 0.2)
    assert opening[:200].std() == pytest.approx(chatter(0.1, 400, 0.2)[:200].std(), rel=0.1)
    np.testing.assert_allclose(opening[200:], 0, atol=1e-6)


def test_a_word_moves_as_words_usually_do():
    """Nearly, and not as the references do, which is many times more."""
    assert np.ptp(chatter(0.1, 3, 0.5)[:3]) == pytest.approx(USUAL * 0.1 * np.sin(2), rel=0.15)


def test_no_voice_is_magnified_without_bound():
    assert chatter(1e-4, 400, 0.2).std() < 3 * USUAL * 1e-4


def test_the_mouth_is_on_the_whole_as_open_as_in_the_references():
    """Whatever the model thinks, while the face speaks; less so as references are few, and not at all in silence."""

    class Gaping(Chattering):
        def speak(self, speech, reference):
            motion = super().speak(speech, reference)
            gape = 0.5 * motion.voiced * (torch.arange(66) % 2)  # y of even values of the points
            gape[..., LOWER] *= 2
            return replace(motion, movement=motion.movement + gape)

    model = Gaping(replace(TINY, z_size=66, z_points=True, window=1000)).eval()
    model.speaks = 300
    means = []
    for count in (1, 15, 400):
        motion = generate(model, dummy_speech(400), np.zeros((count, 66), np.float32))
        lips = lip_opening(torch.from_numpy(motion)).numpy()
        np.testing.assert_allclose(lips[300:], 0, atol=1e-6)
        means.append(lips[:300].mean())
    told = 300 / 325
    np.testing.assert_allclose(means, [0.5 * (1 - told * count / (count + 15)) for count in (1, 15, 400)], atol=0.01)


class Smiling(Chattering):
    """The same, about the references' mean, and at rest where the model says the mouth is shut."""

    speaks = 300

    def speak(self, speech, reference):
        motion = super().speak(speech, reference)
        base = reference.mean(1, keepdim=True).expand_as(motion.movement)
        return replace(motion, base=base + (1 - motion.voiced) * (self.shut(reference)[:, None] - base))


def test_a_smile_speaks_as_openly_as_others_and_shuts_its_mouth_in_silence():
    """One picture of a mouth that stands open says neither how open it is on the whole nor that it never shuts."""
    model = Smiling(replace(TINY, z_size=66, z_points=True, window=1000)).eval()
    model.opening_mean.fill_(0.08)
    model.opening_deviation.fill_(0.05)
    model.opening_way.copy_(torch.from_numpy(DOWN))
    smile = 0.3 * DOWN[None]
    motion = generate(model, dummy_speech(400), smile)
    lips = lip_opening(torch.from_numpy(motion)).numpy()
    trust, told = 1 / 16, 300 / 325
    usual = 0.08 + trust * (0.3 - 0.08)
    assert lips[:300].mean() == pytest.approx(0.3 + told * (usual - 0.3), abs=0.005)
    np.testing.assert_allclose(lips[300:], trust * 0.3, atol=1e-5)
    many = generate(model, dummy_speech(400), np.repeat(smile, 1500, axis=0))
    np.testing.assert_allclose(lip_opening(torch.from_numpy(many)).numpy()[300:], 0.3, atol=0.005)


def delivery_of(opening: np.ndarray, voiced: np.ndarray) -> Delivery:
    """A face whose lips do nothing but open by `opening` (T,) while it speaks."""
    movement = (opening * voiced)[:, None].astype(np.float32) * DOWN
    return Delivery(np.zeros_like(movement), movement, voiced[:, None].astype(np.float32), DOWN)


@given(seed=st.integers(0, 2**31), kin=st.floats(-0.9, 0.9), least=st.floats(0, 0.8))
@settings(deadline=None, max_examples=50)
def test_a_mouth_follows_the_syllables_as_far_as_asked_or_as_it_did(seed, kin, least):
    """Against the plain correlation coefficient of what is quick in both; of a long voice nearly all is done."""
    loudness, other = np.random.default_rng(seed).standard_normal((2, 5000))
    slow = 7 + 5 * np.sin(np.arange(5000) / 100)  # a mouth that never shuts
    opening, voice = 0.1 * (kin * loudness + np.sqrt(1 - kin**2) * other) + slow, 3 * loudness + slow
    delivery = delivery_of(opening, np.ones(5000))
    delivery.follow(voice, least)
    moved = lip_opening(torch.from_numpy(delivery.latents(1.0))).numpy()
    before, after = (np.corrcoef(rhythm(track), rhythm(voice))[0, 1] for track in (opening, moved))
    assert after == pytest.approx(max(before, least), abs=0.01)


def test_silence_follows_nothing():
    loudness, voiced = np.sin(np.arange(400.0)), (np.arange(400) < 200).astype(float)
    delivery = delivery_of(0.3 + 0.1 * np.cos(np.arange(400.0)), voiced)
    delivery.follow(loudness, 0.5)
    np.testing.assert_array_equal(delivery.latents(1.0)[200:], 0)


@pytest.mark.parametrize("length", [5, 100, 2000])
def test_the_shorter_a_voice_the_less_it_follows(length):
    """By n / (n + 25) of what a voice that long without end would: of the same five, repeated."""
    opening, loudness = np.resize([0.3, 0.5, 0.2, 0.4, 0.6], length), np.resize([1.0, 3, 7, 2, 4], length)
    delivery = delivery_of(opening, np.ones(length))
    before = delivery.motion.copy()
    delivery.told = 1.0
    delivery.follow(loudness, 0.5)
    whole = delivery.motion - before
    shorter = delivery_of(opening, np.ones(length))
    shorter.follow(loudness, 0.5)
    assert np.abs(whole).max() > 0.05
    np.testing.assert_allclose(shorter.motion - before, length / (length + 25) * whole, atol=1e-5)


def test_a_click_is_no_syllable():
    """Twenty times as loud as the voice: nothing else changes much, and the mouth does not fly open."""
    rng = np.random.default_rng(0)
    levels = np.log10(np.abs(rng.standard_normal(1000)) + 0.3).astype(np.float32)
    clicking = levels.copy()
    clicking[500] = 1.3
    openings = []
    for track in (levels, clicking):
        delivery = delivery_of(0.3 + 0.05 * np.sin(np.arange(500)), np.ones(500))
        delivery.follow(amplitude(track, 500), 0.6)
        openings.append(lip_opening(torch.from_numpy(delivery.latents(1.0))).numpy())
    elsewhere = np.abs(np.arange(500) - 250) > 5
    assert np.abs(openings[1] - openings[0])[elsewhere].max() < 0.03
    assert openings[1].max() < openings[0].max() + 0.03


def test_a_mouth_follows_between_pauses():
    """What is asked for holds while the voice speaks, and nearly where the gate opens and shuts."""
    rng = np.random.default_rng(0)
    voiced = np.repeat(np.resize([1.0, 0.0], 20), 50)
    loudness, opening = voiced * rng.uniform(0.5, 2, 1000), 0.3 + 0.05 * rng.standard_normal(1000)
    delivery = delivery_of(opening, voiced)
    delivery.follow(loudness, 0.7)
    lips = lip_opening(torch.from_numpy(delivery.latents(1.0))).numpy()
    spoken = voiced == 1
    assert np.corrcoef(rhythm(lips)[spoken], rhythm(loudness)[spoken])[0, 1] == pytest.approx(0.7, abs=0.05)
    assert (lips[~spoken] == 0).all()


def test_the_loudness_is_the_last_of_the_features_that_tell_it():
    """The same model of features with and without it."""
    quiet = np.zeros((1, 400, 80), np.float16)
    quiet[0, :, -1] = np.repeat(np.sin(np.arange(200) / 2) - 0.5, 2)
    openings = {}
    for name in ("moonshine", "mel"):
        config = replace(TINY, z_size=66, z_points=True, window=1000, speech_model=name, following=0.6)
        model = Chattering(config).eval()
        model.opening_deviation.fill_(0.1)
        model.opening_way.copy_(torch.from_numpy(DOWN))
        reference = np.float32(0.1) * np.resize([1, -1], 75)[:, None] * DOWN
        for least in (None, 0.0):
            motion = generate(model, quiet, reference, following=least)
            openings[name, least] = lip_opening(torch.from_numpy(motion)).numpy()
    loud = 10.0 ** (np.sin(np.arange(200) / 2) - 0.5)
    assert np.corrcoef(openings["moonshine", None], loud)[0, 1] > 0.5 > np.corrcoef(openings["mel", None], loud)[0, 1]
    for other in (("moonshine", 0.0), ("mel", 0.0)):
        np.testing.assert_array_equal(openings[other], openings["mel", None])


@pytest.mark.parametrize("expression", [0.0, 1.0, 3.0])
def test_lips_that_shut_do_not_go_through_each_other(expression):
    opening = 0.2 * np.sin(np.arange(200.0))
    lips = lip_opening(torch.from_numpy(delivery_of(opening, np.ones(200)).latents(expression))).numpy()
    mean = opening.mean()
    np.testing.assert_allclose(lips, np.maximum(mean + expression * (opening - mean), PRESSED), atol=1e-6)
