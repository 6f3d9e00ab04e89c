"""The members of the warp motion network: the linear filter, the conformers, and the mean of their motions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from tiny_warp import MOTION, tiny_motion_network

from dd_tools.warp.motion_members import FILTER_NOISE, FILTER_RADIUS, LinearMember
from dd_tools.warp.motion_network import MotionNetwork

Z, D = MOTION.z_size, MOTION.speech_width
TAPS = 2 * FILTER_RADIUS + 1


def inputs(latents: int = 20, references: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    speech = torch.from_numpy(dummy_speech(latents).astype(np.float32))[None]
    return speech, torch.from_numpy(dummy_latents(references, Z))[None]


def random_filter() -> LinearMember:
    torch.manual_seed(0)
    linear = LinearMember(MOTION)
    torch.nn.init.normal_(linear.filter.weight)
    torch.nn.init.normal_(linear.filter.bias)
    return linear.eval()


@torch.inference_mode()
def filtered(linear: LinearMember, audio: torch.Tensor, valid: torch.Tensor | None = None) -> torch.Tensor:
    """Movement and silence (T₂₅, Z + 1) for audio (T₅₀, D)."""
    movement, silence = linear(audio[None], torch.zeros(1, 3, Z), valid if valid is None else valid[None], None)
    return torch.cat([movement, silence], dim=2)[0]


def windows(audio: np.ndarray) -> np.ndarray:
    """What the filter takes for every latent (T₂₅, taps D), zero beyond the ends of audio (T₅₀, D)."""
    padded = np.pad(audio, ((FILTER_RADIUS, FILTER_RADIUS), (0, 0)))
    return np.stack([padded[start : start + TAPS].ravel() for start in range(0, len(audio), 2)])


@pytest.mark.parametrize("frames", [1, 2, 7, 16, 17, 40])
def test_the_filter_is_a_weighted_sum_of_the_audio_around_every_second_frame(frames):
    linear, audio = random_filter(), np.random.default_rng(0).standard_normal((frames, D)).astype(np.float32)
    weights = linear.filter.weight.detach().numpy().transpose(2, 1, 0).reshape(TAPS * D, Z + 1)
    expected = windows(audio) @ weights + linear.filter.bias.detach().numpy()
    found = filtered(linear, torch.from_numpy(audio))
    assert found.shape == (-(-frames // 2), Z + 1)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("frame", [0, 19, 20, 39])
def test_the_filter_hears_a_sixth_of_a_second_before_and_after(frame):
    linear, audio = random_filter(), torch.randn(40, D)
    changed = audio.clone()
    changed[frame] += 1
    is_changed = (filtered(linear, audio) != filtered(linear, changed)).all(1)
    assert torch.equal(is_changed, (2 * torch.arange(20) - frame).abs() <= 8)


def test_the_filter_is_linear():
    linear, one, other = random_filter(), torch.randn(31, D), torch.randn(31, D)
    at_rest = filtered(linear, torch.zeros(31, D))
    expected = 2 * (filtered(linear, one) - at_rest) - 3 * (filtered(linear, other) - at_rest)
    torch.testing.assert_close(filtered(linear, 2 * one - 3 * other) - at_rest, expected, atol=1e-3, rtol=1e-4)


def test_the_filter_takes_padding_for_the_mean_of_the_audio():
    linear, audio = random_filter(), torch.randn(30, D)
    padded = filtered(linear, torch.cat([audio, torch.full((10, D), 9.0)]), torch.arange(40) < 30)
    torch.testing.assert_close(padded[:15], filtered(linear, audio), atol=1e-4, rtol=1e-4)


def test_a_new_filter_moves_nothing_and_has_no_opinion_on_silence():
    assert (filtered(LinearMember(MOTION).eval(), torch.randn(30, D)) == 0).all()


def ridge(audio: np.ndarray, target: np.ndarray, noise: float) -> np.ndarray:
    """Weights (taps D + 1, Z) that minimise the expected squared error with noise on every value of the audio."""
    design, is_heard = (np.pad(windows(each), ((0, 0), (0, 1)), constant_values=1) for each in (audio, 0 * audio + 1))
    is_heard[:, -1] = 0
    return np.linalg.solve(design.T @ design + noise**2 * np.diag(is_heard.sum(0)), design.T @ target)


def learn_filter(audio: np.ndarray, target: np.ndarray, steps: int = 60, copies: int = 32) -> np.ndarray:
    """Weights (taps D, Z) that the filter of a network learns in training, by gradient descent on many copies."""
    network = tiny_motion_network(speech_width=audio.shape[1]).train()
    network.members = torch.nn.ModuleList()
    speech, reference = torch.from_numpy(audio).float().expand(copies, 1, -1, -1), torch.zeros(copies, 1, Z)
    optimizer = torch.optim.SGD(network.linear.parameters(), 0.2)
    rates = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, steps)
    for _ in range(steps):
        (motion,) = network.member_motions(speech, reference)
        error = motion.movement / network.movement_scale(reference) - torch.from_numpy(target).float()
        optimizer.zero_grad()
        error.square().mean((0, 1)).sum().backward()
        optimizer.step()
        rates.step()
    return network.linear.filter.weight[:-1].detach().numpy().transpose(2, 1, 0).reshape(-1, Z)


def test_trained_on_noisy_audio_the_filter_becomes_ridge_regression():
    """With 35 weights for 60 latents of noise, the plain regression is another one."""
    rng = np.random.default_rng(0)
    audio, target = rng.standard_normal((120, 2)), rng.standard_normal((60, Z))
    centred = audio - audio.sum(0) / (len(audio) + 25)  # as the network does before
    expected, plain = (ridge(centred, target, noise)[:-1] for noise in (FILTER_NOISE, 0.0))
    assert np.linalg.norm(learn_filter(audio, target) - expected) < 0.15 * np.linalg.norm(expected)
    assert np.linalg.norm(plain - expected) > 0.5 * np.linalg.norm(expected)


@torch.inference_mode()
@pytest.mark.parametrize("members", [1, 2, 3])
def test_half_of_the_motion_is_the_filters_and_half_the_mean_of_the_conformers(members):
    network, (speech, reference) = tiny_motion_network(members=members), inputs()
    network.latent_std.copy_(torch.rand(Z) + 0.5)
    motion, (linear, *others) = network(speech, reference), network.member_motions(speech, reference)
    assert len(others) == members
    for name in ("movement", "silence"):
        expected = (getattr(linear, name) + sum(getattr(other, name) for other in others) / members) / 2
        torch.testing.assert_close(getattr(motion, name), expected)
        assert (expected - getattr(linear, name)).abs().max() > 0.1
    rest, closed = (each(reference)[:, None] for each in (network.face_at_rest, network.closed_mouth))
    for each in (motion, linear, *others):
        torch.testing.assert_close(each.base, rest + torch.sigmoid(each.silence) * (closed - rest))


@torch.inference_mode()
def test_no_member_of_a_new_network_moves_the_face():
    motions = MotionNetwork(replace(MOTION, members=3)).eval().member_motions(*inputs())
    assert len(motions) == 4 and all((motion.movement == 0).all() for motion in motions)


@torch.inference_mode()
def test_every_member_hears_its_own_noise_and_only_in_training():
    network, (speech, reference) = tiny_motion_network(members=2), inputs()
    network.members[1].load_state_dict(network.members[0].state_dict())
    _, one, other = network.eval().member_motions(speech, reference)
    assert torch.equal(one.movement, other.movement)
    _, one, other = network.train().member_motions(speech, reference)
    assert (one.movement - other.movement).abs().mean() > 0.1 * one.movement.std()


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
