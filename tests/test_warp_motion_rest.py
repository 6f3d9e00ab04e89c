"""The face at rest that the warp motion model expects from few references, against Gaussian statistics."""

import numpy as np
import pytest
import torch
from factories import dummy_latents, dummy_speech
from hypothesis import given, settings
from hypothesis import strategies as st
from test_warp_latents import faces
from tiny_warp import DOWN, MOTION, predict_silence, tiny_motion_network

from dd_tools.warp.latents import closed_mouth, latent_aperture
from dd_tools.warp.motion_network import MotionNetwork

Z = MOTION.z_size


def covariance(rng: np.random.Generator, scale: float) -> np.ndarray:
    """A random covariance (Z, Z) without directions of little variance."""
    factor = scale * rng.standard_normal((Z, 3 * Z))
    return factor @ factor.T / (3 * Z)


def network_of(mean: np.ndarray, between: np.ndarray, within: np.ndarray, std: np.ndarray | float = 1.0):
    """A new network with these statistics of faces; covariances (Z, Z) in units of std (Z,)."""
    network = MotionNetwork(MOTION).eval()
    statistics = {"face_mean": mean, "face_between": between, "face_within": within, "latent_std": std}
    for name, values in statistics.items():
        getattr(network, name).copy_(torch.as_tensor(values, dtype=torch.float32))
    return network


def random_network(seed: int = 0) -> MotionNetwork:
    """A network with random statistics of faces."""
    rng = np.random.default_rng(seed)
    mean, std = rng.standard_normal(Z), rng.uniform(0.1, 2, Z)
    return network_of(mean, covariance(rng, 0.7), covariance(rng, 0.5), std)


def posterior_mean(network: MotionNetwork, reference: np.ndarray) -> np.ndarray:
    """Of a speaker's mean latent (Z,), from references (N, Z) in float64: the two sources weighted by precision."""
    std = network.latent_std.double().numpy()
    between, within = (
        each.double().numpy() * np.outer(std, std) for each in (network.face_between, network.face_within)
    )
    prior, observed = np.linalg.inv(between), len(reference) * np.linalg.inv(within)
    mean = network.face_mean.double().numpy()
    return np.linalg.solve(prior + observed, prior @ mean + observed @ reference.mean(0))


@given(st.integers(0, 2**31), st.integers(1, 200))
@settings(deadline=None, max_examples=20)
def test_it_is_the_conditional_mean_of_gaussian_faces(seed, count):
    network, reference = random_network(seed), dummy_latents(count, Z, seed=seed)
    found = network.face_at_rest(torch.from_numpy(reference)[None])[0].numpy()
    np.testing.assert_allclose(found, posterior_mean(network, reference.astype(np.float64)), atol=1e-4)


@pytest.mark.parametrize("count", [1, 4, 30])
def test_it_is_nearer_to_a_speakers_mean_than_the_mean_of_the_references(count):
    """For 2000 speakers drawn from the two covariances; also nearer than the average face."""
    rng, network = np.random.default_rng(count), random_network()
    mean, std = network.face_mean.numpy(), network.latent_std.numpy()
    speakers = rng.multivariate_normal(np.zeros(Z), network.face_between.numpy(), 2000)
    frames = rng.multivariate_normal(np.zeros(Z), network.face_within.numpy(), (2000, count))
    truth = mean + std * speakers
    reference = (mean + std * (speakers[:, None] + frames)).astype(np.float32)
    found = network.face_at_rest(torch.from_numpy(reference)).numpy()
    error, of_references, of_average = (
        np.mean(((estimate - truth) / std) ** 2) for estimate in (found, reference.mean(1), mean)
    )
    assert error < 0.97 * of_references and error < 0.97 * of_average
    expected = network.face_between - network.face_between @ torch.linalg.solve(
        network.face_between + network.face_within / count, network.face_between
    )
    assert error == pytest.approx(expected.trace().item() / Z, rel=0.05)


@pytest.mark.parametrize(("count", "kept"), [(1, 1 / 4), (3, 1 / 2), (27, 9 / 10), (3000, 0.999)])
def test_one_reference_moves_towards_the_average_face_and_thousands_stay(count, kept):
    """Frames whose variance is three times that of speakers: the mean of three is as certain as the average face."""
    std = np.linspace(0.5, 2, Z)
    network, reference = network_of(np.ones(Z), np.eye(Z), 3 * np.eye(Z), std), dummy_latents(count, Z)
    found = network.face_at_rest(torch.from_numpy(reference)[None])[0].numpy()
    np.testing.assert_allclose(found - 1, kept * (reference.mean(0) - 1), atol=1e-4)


def test_correlated_latents_move_together():
    """A latent that does not move within a speaker stays; one that smiles takes along what varies with it."""
    within, between = np.zeros((Z, Z)), np.eye(Z)
    within[:2, :2] = [[4, 2], [2, 1]]
    network, reference = network_of(np.zeros(Z), between, within), np.zeros((1, 1, Z), np.float32)
    reference[..., :3] = [2, 1, 5]
    found = network.face_at_rest(torch.from_numpy(reference))[0].numpy()
    np.testing.assert_allclose(found[:4], [2 / 6, 1 / 6, 5, 0], atol=1e-5)


@given(st.integers(0, 2**31), st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_it_only_moves_in_directions_that_vary_within_a_speaker(seed, count):
    rng, network = np.random.default_rng(seed), random_network(seed)
    fixed = np.linalg.qr(rng.standard_normal((Z, 10)))[0]
    projection = np.eye(Z) - fixed @ fixed.T
    network.face_within.copy_(torch.from_numpy(projection @ network.face_within.numpy() @ projection))
    reference = torch.from_numpy(dummy_latents(count, Z, seed=seed))[None]
    rest, mean = network.face_at_rest(reference), reference.mean(1)
    moved, difference = (((each - mean) / network.latent_std)[0].numpy() for each in (rest, network.face_mean))
    assert np.linalg.norm(moved) > 0.01 * np.linalg.norm(difference)
    assert np.linalg.norm(moved @ fixed) < 1e-5 * np.linalg.norm(difference)


def test_padded_references_do_not_count():
    network, reference = random_network(), torch.from_numpy(dummy_latents(8, Z)).reshape(2, 4, Z)
    valid = torch.tensor([[True] * 4, [True, False, False, False]])
    padded = torch.where(valid[..., None], reference, 99.0)
    found = network.face_at_rest(padded, valid)
    torch.testing.assert_close(found[:1], network.face_at_rest(reference[:1]))
    torch.testing.assert_close(found[1:], network.face_at_rest(reference[1:, :1]))


@pytest.mark.parametrize("count", [1, 75])
def test_in_a_new_network_it_is_the_mean_of_the_references(count):
    reference = torch.from_numpy(dummy_latents(count, Z))[None]
    torch.testing.assert_close(MotionNetwork(MOTION).face_at_rest(reference), reference.mean(1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_the_face_is_not_rounded(dtype):
    network, reference = random_network(), torch.from_numpy(dummy_latents(3, Z))[None]
    expected = network.face_at_rest(reference)
    with torch.autocast("cpu", dtype):
        torch.testing.assert_close(network.face_at_rest(reference), expected)


def test_the_closed_mouth_moves_with_the_face():
    network, reference = random_network(), faces([0.3, -0.1, 0.2, 0.1])
    rest = network.face_at_rest(reference)
    expected = closed_mouth(reference) + rest - reference.mean(1)
    assert (rest - reference.mean(1)).abs().max() > 0.1
    torch.testing.assert_close(network.closed_mouth(reference, rest), expected, atol=1e-5, rtol=1e-5)
    network.aperture_direction.copy_(torch.from_numpy(DOWN))
    before, after = (latent_aperture(latent) for latent in (expected, network.closed_mouth(reference, rest)))
    torch.testing.assert_close(after, torch.where(before > 0, 4 / 19 * before, before))


@torch.inference_mode()
def test_it_is_the_base_of_a_face_that_speaks():
    network, (speech, reference) = tiny_motion_network(members=2), (dummy_speech(20), dummy_latents(5, Z))
    network.face_between.copy_(0.5 * torch.eye(Z))
    network.face_within.copy_(torch.eye(Z))
    predict_silence(network, -30.0)
    speech, reference = torch.from_numpy(speech).float()[None], torch.from_numpy(reference)[None]
    rest = network.face_at_rest(reference)[:, None].expand(-1, 20, -1)
    for motion in (network(speech, reference), *network.member_motions(speech, reference)):
        torch.testing.assert_close(motion.base, rest)
