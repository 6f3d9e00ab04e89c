"""The members of the warp motion network: the mean of filter and conformers, and what each of them hears."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from tiny_warp import MOTION, tiny_motion_network

from dd_tools.warp.motion_network import FILTER_SHARE, MotionNetwork

Z, D = MOTION.z_size, MOTION.speech_width


def inputs(latents: int = 20, references: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    speech = torch.from_numpy(dummy_speech(latents).astype(np.float32))[None]
    return speech, torch.from_numpy(dummy_latents(references, Z))[None]


@torch.inference_mode()
@pytest.mark.parametrize("members", [1, 2, 3])
def test_two_thirds_of_the_movement_are_the_filters_and_the_rest_the_mean_of_the_conformers(members):
    network, (speech, reference) = tiny_motion_network(members=members), inputs()
    network.latent_std.copy_(torch.rand(Z) + 0.5)
    motion, conformers = network(speech, reference), network.member_motions(speech, reference)
    assert len(conformers) == members and pytest.approx(2 / 3) == FILTER_SHARE
    audio = network.standardised_sum(speech)
    filtered = network.filter(audio - network.spoken_mean([audio])) * network.movement_scale(reference)
    of_conformers = sum(each.movement for each in conformers) / members
    torch.testing.assert_close(motion.movement, (2 * filtered + of_conformers) / 3)
    assert min((motion.movement - part).abs().max() for part in (filtered, of_conformers)) > 0.1
    torch.testing.assert_close(motion.silence, sum(each.silence for each in conformers) / members)
    rest = network.face_at_rest(reference)
    rest, closed = rest[:, None], network.closed_mouth(reference, rest)[:, None]
    for each in (motion, *conformers):
        torch.testing.assert_close(each.base, rest + torch.sigmoid(each.silence) * (closed - rest))


@torch.inference_mode()
def test_no_part_of_a_new_network_moves_the_face():
    network, (speech, reference) = MotionNetwork(replace(MOTION, members=3)).eval(), inputs()
    motions = [network(speech, reference), *network.member_motions(speech, reference)]
    assert len(motions) == 4 and all((motion.movement == 0).all() for motion in motions)


@torch.inference_mode()
def test_every_conformer_hears_its_own_noise_and_only_in_training():
    network, (speech, reference) = tiny_motion_network(members=2), inputs()
    network.members[1].load_state_dict(network.members[0].state_dict())
    one, other = network.eval().member_motions(speech, reference)
    assert torch.equal(one.movement, other.movement)
    one, other = network.train().member_motions(speech, reference)
    assert (one.movement - other.movement).abs().mean() > 0.1 * one.movement.std()


@torch.inference_mode()
def test_the_filter_takes_padding_for_the_mean_of_the_recording():
    network, audio = tiny_motion_network(), torch.randn(1, 30, D)
    padded = torch.cat([audio, torch.full((1, 10, D), 9.0)], 1)
    found = network.filtered(padded, torch.arange(40)[None] < 30)
    torch.testing.assert_close(found[:, :15], network.filtered(audio), atol=1e-5, rtol=1e-4)


def test_what_is_common_to_all_speech_of_a_recording_does_not_reach_the_filter():
    """An offset, as of another microphone, is removed but for the share of 25 features in 525; the loudness is kept."""
    network = MotionNetwork(replace(MOTION, speech_model="whisper"))
    audio, offset = torch.randn(1, 500, D), torch.cat([torch.full((D - 1,), 7.0), torch.zeros(1)])
    audio[..., -1] = 0.5
    found, moved = network.spoken_mean([audio]), network.spoken_mean([audio + offset])
    torch.testing.assert_close(moved - found, (offset * 500 / 525).expand(1, 1, -1), atol=1e-4, rtol=1e-4)
    assert moved[..., -1] == 0


def test_pauses_and_padding_do_not_count_for_the_mean_of_the_speech():
    network = MotionNetwork(replace(MOTION, speech_model="whisper"))
    audio, others = torch.randn(1, 300, D), torch.full((1, 300, D), 50.0)
    audio[..., -1], others[..., -1] = 0.0, -2.0  # loudness
    alone, paused = network.spoken_mean([audio]), network.spoken_mean([torch.cat([audio, others], 1)])
    padded = network.spoken_mean([torch.cat([audio, 0 * others], 1)], torch.arange(600)[None] < 300)
    in_parts = network.spoken_mean([audio[:, :100], audio[:, 100:]])
    for each in (paused, padded, in_parts):
        torch.testing.assert_close(each, alone)


def test_features_without_loudness_are_centred_as_a_whole():
    network, audio = MotionNetwork(MOTION), torch.randn(1, 75, D)
    torch.testing.assert_close(network.spoken_mean([audio]), 0.75 * audio.mean(1, keepdim=True))
