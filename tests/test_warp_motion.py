"""The warp motion model at work: speech of any length, references, and the speaker's own amplitude."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_lips, dummy_speech
from tiny_warp import DOWN, LOWER_LIP, MOTION, tiny_motion_network

from dd_tools.speech.features import sum_layers
from dd_tools.warp.latents import latent_aperture
from dd_tools.warp.motion import WarpMotionModel
from dd_tools.warp.motion_network import Motion, MotionNetwork


def tiny_model(**changes: object) -> WarpMotionModel:
    return WarpMotionModel(tiny_motion_network(**changes))


def aperture(latents: np.ndarray) -> np.ndarray:
    return latent_aperture(torch.from_numpy(latents)).numpy()


class Chattering(MotionNetwork):
    """Opens and closes the mouth by `swing` while it `speaks`; in silence the face is at rest."""

    swing, speaks = 0.1, 400

    def forward(self, speech, reference, speech_valid=None, reference_valid=None, spoken_mean=None):
        length = speech.shape[2] // 2
        spoken = (torch.arange(length) < self.speaks).float()[None, :, None]
        movement = torch.zeros(1, length, 66)
        movement[..., LOWER_LIP] = self.swing * torch.arange(length).sin()[None, :, None]
        mean = reference.mean(1, keepdim=True)
        base = mean + (1 - spoken) * (self.closed_mouth(reference, mean[:, 0])[:, None] - mean)
        return Motion(base, movement * spoken, torch.inf * (0.5 - spoken))


def chattering(**changes: object) -> Chattering:
    network = Chattering(replace(MOTION, window=10_000, **changes)).eval()
    network.aperture_direction.copy_(torch.from_numpy(DOWN))
    return network


def opening_by(std: float, count: int = 75, mean: float = 0.0) -> np.ndarray:
    """References (count, 66) whose lips are apart by this mean and standard deviation."""
    return np.float32(mean + std * np.resize([1, -1], count))[:, None] * DOWN


@pytest.mark.parametrize("swing", [0.05, 0.1, 0.12])
@pytest.mark.parametrize("std", [0.05, 0.08])
def test_lips_move_as_in_the_references_however_sure_the_network_is(swing, std):
    network = chattering()
    network.swing, network.speaks = swing, 4000
    network.aperture_std.fill_(std)
    model, reference = WarpMotionModel(network), opening_by(std, count=76, mean=0.5)
    network.aperture_mean.fill_(0.5)
    lips = aperture(model.generate(dummy_speech(4000), reference))
    assert (lips.mean(), lips.std()) == pytest.approx((0.5, std), rel=0.03)
    wider = aperture(model.generate(dummy_speech(4000), reference, expression=2))
    assert wider.std() == pytest.approx(2 * lips.std(), rel=1e-3)
    assert np.ptp(aperture(model.generate(dummy_speech(4000), reference, expression=0))) < 1e-4


def test_the_default_expression_is_the_networks():
    plain, own = (WarpMotionModel(chattering(expression=expression)) for expression in (1.0, 1.5))
    reference, speech = opening_by(0.1, mean=0.5), dummy_speech(400)
    expected = plain.generate(speech, reference, expression=1.5)
    np.testing.assert_allclose(own.generate(speech, reference), expected, atol=1e-6)


def test_silence_neither_counts_nor_is_exaggerated():
    network = chattering()
    network.aperture_std.fill_(0.2)
    reference = opening_by(0.2)
    whole = aperture(WarpMotionModel(network).generate(dummy_speech(400), reference))
    network.speaks = 200
    half = aperture(WarpMotionModel(network).generate(dummy_speech(400), reference))
    assert half[:200].std() == pytest.approx(whole[:200].std(), rel=0.1)
    assert np.ptp(half[200:]) < 1e-6


def test_one_smile_speaks_as_openly_as_others_and_nearly_closes_its_mouth_in_silence():
    """An image of a mouth that stands open does not say that it never closes; many frames of it do."""
    network = chattering()
    network.speaks = 3000
    network.aperture_mean.fill_(0.08)
    network.aperture_std.fill_(0.05)
    model, speech, smile = WarpMotionModel(network), dummy_speech(3400), opening_by(0.0, 1, mean=0.3)
    one, many = (aperture(model.generate(speech, smile.repeat(count, axis=0))) for count in (1, 1500))
    assert one[:3000].mean() == pytest.approx(0.09, abs=0.01)
    assert one[3000:].min() > 0 and one[3000:].max() < 0.025
    assert many[:3000].mean() == pytest.approx(0.3, abs=0.01)
    np.testing.assert_allclose(many[3000:], 0.3, atol=0.005)


@torch.inference_mode()
def tracks(model: WarpMotionModel, speech: np.ndarray, reference: np.ndarray, progress=iter) -> np.ndarray:
    """Base, movement and probability of speech (T, 133), before they are matched to the speaker."""
    return np.concatenate(model._in_windows(speech, torch.from_numpy(reference)[None], progress), axis=1)


@torch.inference_mode()
def one_pass(model: WarpMotionModel, speech: np.ndarray, reference: np.ndarray) -> np.ndarray:
    motion = model.network(torch.from_numpy(speech.astype(np.float32))[None], torch.from_numpy(reference)[None])
    return torch.cat([motion.base, motion.movement, motion.speech_probability], dim=2)[0].numpy()


@pytest.mark.parametrize("frames", [1, 2, 99, 100])
def test_speech_within_a_window_is_one_pass(frames):
    model, speech, reference = tiny_model(), dummy_speech(50)[:, :frames], dummy_latents(7, 66)
    np.testing.assert_allclose(tracks(model, speech, reference), one_pass(model, speech, reference), atol=1e-5)
    motion = model.generate(speech, reference)
    assert (motion.shape, motion.dtype) == ((-(-frames // 2), 66), np.float32)


def test_windows_agree_with_one_pass_where_the_network_sees_only_nearby():
    """Without attention to the far (its values silenced), only the ends of a window know of the cut."""
    model, starts = tiny_model(), []
    for name, parameter in model.network.named_parameters():
        if "self_attn.linear_out" in name and "reference_encoder" not in name:
            torch.nn.init.zeros_(parameter.data)
    speech, reference = dummy_speech(120), dummy_latents(7, 66)
    found = tracks(model, speech, reference, lambda windows: starts.extend(windows) or iter(windows))
    assert starts == [0, 40, 80]
    reach = 5  # latents: two convolutions of 5, and the down-sampling
    inside = np.ones(120, bool)
    for start in starts[1:]:
        inside[start : start + reach] = inside[start + 10 - reach : start + 10] = False
    whole = one_pass(model, speech, reference)
    np.testing.assert_allclose(found[inside], whole[inside], atol=1e-4)
    assert np.abs(found - whole)[~inside].max() > 1e-2


def test_layers_that_were_summed_before_give_the_same():
    """With layers of different weights and scales, and values of different scales."""
    network, random = tiny_motion_network(speech_layers=4, speech_width=24), torch.Generator().manual_seed(0)
    for tensor in (network.layer_weights.data, network.speech_mean, network.speech_std):
        tensor.copy_(0.5 + torch.rand(tensor.shape, generator=random))
    model, speech, reference = WarpMotionModel(network), dummy_speech(20, 4, 24), dummy_latents(3, 66)
    summed = sum_layers(speech, model.layer_weights)
    found, expected = model.generate(summed, reference), model.generate(speech, reference)
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.std())


def test_a_single_layer_is_its_own_sum():
    network = tiny_motion_network()
    network.speech_std.copy_(torch.rand(network.speech_std.shape) + 0.5)
    np.testing.assert_allclose(WarpMotionModel(network).layer_weights, 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [0]), (5, [0, 25, 50, 74, 99]), (100, range(100)), (500, range(100))]
)
def test_references_are_evenly_spaced(count, expected):
    assert tiny_model().choose_references(100, count).tolist() == list(expected)


def test_latents_of_other_renderers_are_told_apart():
    model = tiny_model()
    assert model.accepts(dummy_lips(20, 66))
    assert not model.accepts(dummy_latents(20, 66)) and not model.accepts(dummy_lips(20, 128))
