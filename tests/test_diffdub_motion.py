"""A trained motion model at work: windows, references, and that it learns to follow speech."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech

from dd_tools.diffdub import motion
from dd_tools.diffdub.motion import DiffDubMotionModel
from dd_tools.diffdub.motion_data import MotionData
from dd_tools.diffdub.motion_loss import LatentLoss
from dd_tools.diffdub.motion_network import MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS
from dd_tools.training.sequences import ClipSequences

TINY = PRESETS["tiny"].config


def tiny_model(**changes: object) -> DiffDubMotionModel:
    torch.manual_seed(0)
    return DiffDubMotionModel(MotionNetwork(replace(TINY, **changes)))


def one_pass(model: DiffDubMotionModel, speech: np.ndarray, reference: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        features, latents = torch.from_numpy(speech.astype(np.float32)), torch.from_numpy(reference)
        return model.network(features[None], latents[None])[0].numpy()


@pytest.mark.parametrize("frames", [1, 2, 99, 100])
def test_speech_within_the_window_is_one_pass(frames):
    model, speech, reference = tiny_model(), dummy_speech(50)[:, :frames], dummy_latents(7)
    latents = model.generate(speech, reference)
    assert (latents.shape, latents.dtype) == ((-(-frames // 2), TINY.z_size), np.float32)
    np.testing.assert_allclose(latents, one_pass(model, speech, reference), atol=1e-5)


def test_longer_speech_is_generated_in_windows_that_know_only_their_own_speech(monkeypatch):
    monkeypatch.setattr(motion, "WINDOW", 50)
    model, speech, reference, starts = tiny_model(), dummy_speech(90), dummy_latents(7), []
    latents = model.generate(speech, reference, progress=lambda windows: starts.extend(windows) or windows)
    assert starts == [0, 40]
    first, second = one_pass(model, speech[:, :100], reference), one_pass(model, speech[:, 80:], reference)
    np.testing.assert_allclose(latents[:40], first[:40], atol=1e-5)
    np.testing.assert_allclose(latents[50:], second[10:], atol=1e-5)
    share = ((np.arange(10) + 0.5) / 10)[:, None]
    np.testing.assert_allclose(latents[40:50], (1 - share) * first[40:] + share * second[:10], atol=1e-5)


def test_a_window_holds_a_minute():
    starts = []
    tiny_model().generate(
        dummy_speech(1501, width=80), dummy_latents(2), progress=lambda windows: starts.extend(windows) or windows
    )
    assert starts == [0, 60 * 25 * 4 // 5]


def test_a_single_reference_is_repeated_75_times_and_several_are_taken_as_they_are():
    model, speech = tiny_model(), dummy_speech(20)
    for count, taken in ((1, np.repeat(dummy_latents(1), 75, axis=0)), (2, dummy_latents(2))):
        np.testing.assert_allclose(
            model.generate(speech, dummy_latents(count)), one_pass(model, speech, taken), atol=1e-6
        )


def test_references_are_the_first_latents_of_the_video():
    model = tiny_model()
    assert model.choose_references(200, 75).tolist() == list(range(75))
    assert model.choose_references(3, 75).tolist() == [0, 1, 2]


def test_a_sum_over_layers_that_was_taken_before_gives_the_same_latents():
    model, speech, reference = tiny_model(speech_layers=4), dummy_speech(20, layers=4), dummy_latents(3)
    model.network.weights.data = torch.tensor([0.0, 1.0, -1.0, 2.0])
    weights = DiffDubMotionModel(model.network).layer_weights
    np.testing.assert_allclose(weights[:, 0], np.exp([0, 1, -1, 2]) / np.exp([0, 1, -1, 2]).sum(), rtol=1e-5)
    collapsed = np.einsum("l,ltd->td", weights[:, 0], speech.astype(np.float32))[None]
    np.testing.assert_allclose(model.generate(collapsed, reference), model.generate(speech, reference), atol=1e-4)


def test_it_tells_the_sizes_it_takes_and_accepts_latents_of_its_width():
    model = tiny_model(speech_layers=4, speech_width=24, z_size=12)
    assert (model.speech_model, model.speech_layers, model.speech_width, model.z_size) == ("mel", 4, 24, 12)
    assert model.accepts(np.zeros((3, 12), np.float32)) and not model.accepts(np.zeros((3, 16), np.float32))


def test_a_small_problem_is_learnt():
    """Latents that follow the speech: what is generated comes much closer to them than their mean is."""
    config = replace(TINY, speech_width=8, z_size=4)
    speech = dummy_speech(60, width=8)
    latents = np.ascontiguousarray(speech[0, ::2, :4], np.float32) + 3
    data = MotionData([ClipSequences("clip", latents, speech)], config, {})
    torch.manual_seed(0)
    network = MotionNetwork(config)
    objective, optimizer = LatentLoss(network).train(), torch.optim.Adam(network.parameters(), 1e-2)
    for step in range(150):
        loss = objective(data.batch(torch.Generator().manual_seed(step), 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    error = DiffDubMotionModel(network).generate(speech[:, :92], latents[46:]) - latents[:46]
    assert np.square(error).mean() < 0.2 * latents[:46].var(0).mean()
