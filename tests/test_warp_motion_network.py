"""The warp motion network: what each input does, how far a face moves, its closed mouth, and its weights file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from test_warp_latents import faces
from tiny_warp import DOWN, MOTION, predict_silence, tiny_motion_network

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import MOTION as STAGE
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, read_checkpoint, write_checkpoint
from dd_tools.warp.latents import closed_mouth, latent_aperture
from dd_tools.warp.motion import network_from
from dd_tools.warp.motion_network import MotionConfig, MotionNetwork
from dd_tools.warp.motion_training import PRESETS

Z = MOTION.z_size


def inputs(latents: int = 20, references: int = 5, layers: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    speech = torch.from_numpy(dummy_speech(latents, layers, MOTION.speech_width).astype(np.float32))[None]
    return speech, torch.from_numpy(dummy_latents(references, Z))[None]


@pytest.fixture
def network() -> MotionNetwork:
    return tiny_motion_network()


def test_the_shipped_preset_has_a_filter_of_a_quarter_second_and_four_conformers_of_316_thousand_parameters():
    with torch.device("meta"):
        network = MotionNetwork(PRESETS["warp"].config)
    assert network.filter.weight.shape == (128, 385, 13)
    counts = [sum(parameter.numel() for parameter in member.parameters()) for member in network.members]
    assert counts == pytest.approx([316e3] * 4, rel=0.01)


@pytest.mark.parametrize(("layers", "upper"), [(1, 0), (2, 0), (5, 3), (25, 23)])
def test_the_last_layer_but_one_counts_most_at_first(layers, upper):
    weights = MotionNetwork(replace(MOTION, speech_layers=layers)).layer_weights.detach().softmax(0)
    assert weights.argmax() == upper and weights[upper] >= 0.45


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (2, 1), (7, 4), (40, 20)])
@pytest.mark.parametrize("references", [1, 3, 80])
def test_one_latent_for_two_speech_frames_with_any_number_of_references(network, frames, latents, references):
    speech, reference = inputs(20, references)
    with torch.inference_mode():
        motion = network(speech[:, :, :frames], reference)
    assert motion.latents.shape == (1, latents, Z) and motion.silence.shape == (1, latents, 1)
    assert motion.latents.isfinite().all()


def test_padding_changes_nothing_at_valid_positions(network):
    speech, reference = inputs(12, 6)
    valid, of_reference = torch.arange(24)[None] < 14, torch.arange(6)[None] < 4
    with torch.inference_mode():
        padded = network(speech, reference, valid, of_reference)
        alone = network(speech[:, :, :14], reference[:, :4])
    for name in ("base", "movement", "silence"):
        torch.testing.assert_close(getattr(padded, name)[:, :7], getattr(alone, name), atol=1e-5, rtol=1e-4)


def test_layers_count_by_the_softmax_of_their_weights():
    network, (speech, reference) = tiny_motion_network(speech_layers=3), inputs(layers=3)
    with torch.inference_mode():
        network.layer_weights.copy_(torch.tensor([0.0, np.log(2), np.log(5)]))
        collapsed = (speech * torch.tensor([1, 2, 5]).reshape(1, 3, 1, 1) / 8).sum(1, keepdim=True)
        torch.testing.assert_close(
            network(speech, reference).latents, network(collapsed, reference).latents, atol=1e-5, rtol=1e-4
        )


def test_speech_is_noisy_in_training_only(network):
    speech, reference = inputs()
    with torch.inference_mode():
        first, second = (network.train()(speech, reference).latents for _ in range(2))
        third, fourth = (network.eval()(speech, reference).latents for _ in range(2))
    assert (first - second).abs().mean() > 0.1 * third.std(1).mean()
    assert torch.equal(third, fourth)


def test_every_value_of_every_layer_counts_in_units_of_the_training_data():
    network, scaled = tiny_motion_network(speech_layers=3), tiny_motion_network(speech_layers=3)
    (speech, reference), random = inputs(layers=3), torch.Generator().manual_seed(0)
    mean, std = (torch.rand(3, MOTION.speech_width, generator=random) + 0.5 for _ in range(2))
    scaled.speech_mean.copy_(mean)
    scaled.speech_std.copy_(std)
    with torch.inference_mode():
        found = scaled(speech * std[:, None] + mean[:, None], reference).latents
        torch.testing.assert_close(found, network(speech, reference).latents, atol=1e-4, rtol=1e-4)


def test_speech_moves_the_face_of_every_member_with_a_single_reference_too(network):
    """In the paper's network attention to one key is constant."""
    speech, reference = inputs(references=1)
    with torch.inference_mode():
        spoken, unspoken = (network.member_motions(each, reference) for each in (speech, torch.zeros_like(speech)))
    for one, other in zip(spoken, unspoken, strict=True):
        assert not torch.allclose(one.latents, other.latents, atol=1e-2)


def test_a_new_network_repeats_the_face_at_rest_whatever_the_latents_units():
    network, (speech, reference) = MotionNetwork(MOTION).eval(), inputs(references=4)
    with torch.inference_mode():
        network.latent_mean.copy_(torch.randn(Z))
        network.latent_std.copy_(torch.rand(Z) + 0.5)
        predict_silence(network, -30.0)
        motion = network(speech, reference)
    assert (motion.movement == 0).all()
    torch.testing.assert_close(motion.latents, reference.mean(1, keepdim=True).expand(-1, 20, -1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 60, 500])
def test_the_aperture_std_of_a_face_is_pooled_with_four_references_of_the_training_data(network, count):
    """Against the plain standard deviation of both together, about their own means."""
    network.aperture_std.fill_(0.1)
    apertures = 0.3 + 0.2 * np.random.default_rng(count).standard_normal(count)
    reference = faces(apertures)
    deviations = np.concatenate([apertures - apertures.mean(), np.resize([0.1, -0.1], 4)])
    found = network.speaker_aperture_std(reference)
    assert found.item() == pytest.approx(np.sqrt(np.mean(deviations**2)), rel=1e-3)
    padded = torch.cat([reference, torch.full((1, 7, Z), 9.0)], dim=1)
    valid = torch.arange(count + 7)[None] < count
    torch.testing.assert_close(network.speaker_aperture_std(padded, valid), found)


def test_a_face_moves_all_its_latents_as_far_as_its_lips_in_the_references(network):
    """Twice as far for lips that move twice as far, and as the training data does where they move like that."""
    network.latent_std.copy_(torch.rand(Z) + 0.5)
    network.aperture_std.fill_(0.1)
    likewise, wider = (faces(std * np.resize([1.0, -1.0], 3000)) for std in (0.1, 0.2))
    torch.testing.assert_close(network.movement_scale(likewise)[0, 0], network.latent_std, rtol=1e-3, atol=0)
    torch.testing.assert_close(network.movement_scale(wider)[0, 0], 2 * network.latent_std, rtol=0.01, atol=0)


def test_a_mouth_that_is_open_in_all_references_closes_the_more_the_fewer_they_are(network):
    """Of one, 15/16 of the aperture are removed; of 15 a half; of 60 a fifth. Pressed lips stay as they are."""
    network.aperture_direction.copy_(torch.from_numpy(DOWN))
    for count, left in ((1, 0.02), (15, 0.16), (60, 0.256)):
        ajar, pressed = (faces([aperture]).repeat(1, count, 1) for aperture in (0.32, -0.01))
        closed = network.closed_mouth(ajar, ajar.mean(1))
        assert latent_aperture(closed).item() == pytest.approx(left, abs=1e-4)
        changed = (closed - ajar[:, 0])[0].abs() > 1e-4
        assert torch.equal(changed, torch.from_numpy(DOWN != 0))
        torch.testing.assert_close(network.closed_mouth(pressed, pressed.mean(1)), pressed.mean(1))
    few, rest = ajar[:, :15], ajar.mean(1)
    longer = torch.cat([few, torch.full((1, 4, Z), 9.0)], dim=1)
    found = network.closed_mouth(longer, rest, torch.arange(19)[None] < 15)
    torch.testing.assert_close(found, network.closed_mouth(few, rest))


def test_how_open_a_mouth_is_on_average_is_told_by_many_references(network):
    network.aperture_mean.fill_(0.1)
    found = [float(network.speaker_aperture_mean(faces([0.2] * count))) for count in (1, 15, 135)]
    assert found == pytest.approx([0.1 + 0.1 / 16, 0.15, 0.19], abs=1e-5)
    assert [network.confidence(count) for count in (0, 15, 45)] == [0, 0.5, 0.75]


@pytest.mark.parametrize(("logit", "speech_probability"), [(-30.0, 1.0), (30.0, 0.0), (0.0, 0.5)])
def test_a_silent_face_goes_to_its_closed_mouth(network, logit, speech_probability):
    predict_silence(network, logit)
    speech, reference = inputs(references=1)[0], faces([0.3, 0.01, 0.2, 0.1])
    with torch.inference_mode():
        motion = network(speech, reference)
    expected = speech_probability * reference.mean(1) + (1 - speech_probability) * closed_mouth(reference)
    torch.testing.assert_close(motion.base, expected[:, None].expand_as(motion.base), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        motion.speech_probability, torch.full_like(motion.speech_probability, speech_probability)
    )
    torch.testing.assert_close(motion.latents, motion.base + speech_probability * motion.movement)
    assert motion.movement.std() > 0.1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"width": 18, "heads": 4}, "width 18 is not a multiple of its 4 heads"),
        ({"width": 18, "heads": 2, "cross_heads": 4}, "width 18 is not a multiple of its 4 cross-attention heads"),
        ({"width": 15, "heads": 3, "cross_heads": 3}, "width must be even and kernel odd, got 15 and 5"),
        ({"kernel": 4}, "width must be even and kernel odd, got 16 and 4"),
        ({"speech_layers": 0}, "speech layers must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, got 1.0"),
        ({"z_size": 50}, "latents of more than 50 values, got 50: they do not come from a warp renderer"),
        ({"expression": -1.0}, "expression must be 0 or more, got -1.0"),
        ({"members": 0}, "members must be at least 1, got 0"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(changes, complaint):
    with pytest.raises(UsageError, match=complaint):
        replace(MOTION, **changes)


def write_network(path, network, **config):
    write_checkpoint(path, Checkpoint(STAGE, "warp", network.config.to_json() | config, network.state_dict()))
    return path


def test_weights_and_statistics_survive_the_file(tmp_path, network):
    for number, buffer in enumerate(network.buffers()):
        buffer += number + 1
    path = write_network(tmp_path / "motion.safetensors", network)
    loaded = network_from(read_checkpoint(path, STAGE), path)
    assert loaded.config == network.config == MotionConfig.from_json(network.config.to_json())
    with torch.inference_mode():
        torch.testing.assert_close(loaded(*inputs()).latents, network(*inputs()).latents)
    assert all(torch.equal(one, other) for one, other in zip(loaded.buffers(), network.buffers(), strict=True))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"hidden": 17}, r"w_1.weight' is \(16, 16.*\), expected \(17, 16"),
        ({"speech_blocks": 2}, r"speech_encoder\..*\.1\..* is missing"),
        ({"members": 2}, r"members\.1\..* is missing"),
        ({"swing": 1}, "unknown settings in the model's configuration: swing"),
    ],
)
def test_a_file_that_does_not_fit_its_configuration_is_refused(tmp_path, network, config, complaint):
    path = write_network(tmp_path / "motion.safetensors", network, **config)
    with pytest.raises(DataError, match=complaint) as caught:
        network_from(read_checkpoint(path, STAGE), path)
    assert "\n" not in str(caught.value)


def test_a_renderer_is_not_a_motion_model(tmp_path):
    path = tmp_path / "renderer.safetensors"
    write_checkpoint(path, Checkpoint(RENDERER, "warp", {}, {"weight": torch.zeros(1)}))
    with pytest.raises(DataError, match="holds a renderer, expected a motion model"):
        read_checkpoint(path, STAGE)
