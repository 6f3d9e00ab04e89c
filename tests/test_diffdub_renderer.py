"""A trained renderer at work on a clip: encoding, and painting from one shared noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_clip
from released import dummy_released_tensor

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.diffusion import shared_noise
from dd_tools.diffdub.renderer import DiffDubRenderer
from dd_tools.diffdub.renderer_training import PRESETS
from dd_tools.errors import DataError, UsageError
from dd_tools.face.face_images import face_images
from dd_tools.formats.clip import Clip
from dd_tools.nn.images import to_images

TINY = PRESETS["tiny"].config


def tiny_network() -> DiffusionAutoencoder:
    """One in which every layer has its say."""
    network = DiffusionAutoencoder(TINY)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    network.load_state_dict({name: torch.as_tensor(dummy_released_tensor(name, s)) for name, s in shapes.items()})
    return network


@pytest.fixture(scope="module")
def renderer():
    return DiffDubRenderer(tiny_network())


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=7, unusable=[0, 4])) as clip:
        yield clip


@pytest.fixture
def seen(renderer, monkeypatch):
    """What the U-Net is given at every call, for one frame: x'_t, reference, t and z."""
    calls, forward = [], renderer.network.forward
    monkeypatch.setattr(renderer.network, "forward", lambda *given: calls.append(given[:4]) or forward(*given))
    return calls


def paint(renderer, clip, frames=(1, 2, 3, 5, 6), span=slice(0, 5), **options):
    latents = np.random.default_rng(0).standard_normal((len(frames), renderer.z_size)).astype(np.float32)
    painter = renderer.painter(clip, **{"steps": 3} | options)
    return painter(np.array(frames), np.arange(len(frames)) / 25, latents, span)


def test_latents_are_those_of_the_clips_face_images(renderer, clip):
    latents = renderer.encoder(clip)(np.array([1, 6]))
    with torch.no_grad():
        expected = torch.cat([renderer.network.encode(to_images(clip.face[index][None])) for index in (1, 6)])
    assert latents.dtype == np.float32
    np.testing.assert_allclose(latents, expected, atol=1e-5)


def test_a_renderer_without_eyes_encodes_faces_without_their_band(clip):
    plain, blind = DiffDubRenderer(tiny_network()), DiffDubRenderer(tiny_network())
    blind.network.config = replace(TINY, eyes=False)
    found = blind.encoder(clip)(np.array([3]))
    with torch.no_grad():
        expected = plain.network.encode(to_images(face_images(clip, [3], False)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not np.allclose(found, plain.encoder(clip)(np.array([3])), atol=1e-4)


def test_pixels_are_painted_inside_the_mask_and_exact_outside(renderer, clip):
    frames = (1, 2, 3, 5, 6)
    for crop, index in zip(paint(renderer, clip, frames), frames, strict=True):
        known = clip.mask[index] == 0
        np.testing.assert_array_equal(crop[known], clip.frames[index][known])
        assert (crop[~known] != clip.frames[index][~known]).mean() > 0.9


def test_all_frames_start_from_one_noise_and_share_the_first_usable_frame_as_reference(renderer, clip, seen):
    paint(renderer, clip, steps=2)
    assert [t.tolist() for _, _, t, _ in seen] == [[500]] * 5 + [[0]] * 5
    xt, reference, _, z = map(torch.cat, zip(*seen[:5], strict=True))
    noise = shared_noise(32, 0).expand_as(xt)
    masked = torch.from_numpy(clip.mask[[1, 2, 3, 5, 6]])[:, None].bool().expand_as(xt)
    assert torch.equal(xt[masked], noise[masked])
    assert torch.equal(reference, to_images(clip.frames[1][None]).expand_as(reference))
    np.testing.assert_array_equal(z, np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32))


def test_twenty_steps_are_taken_unless_others_are_asked_for(renderer, clip, seen):
    painter = renderer.painter(clip)
    painter(np.array([1]), np.zeros(1), np.zeros((1, 16), np.float32), slice(0, 1))
    assert [int(t) for _, _, t, _ in seen] == list(range(950, -1, -50))


OPTIONS = ({}, {"solver": "dpm-solver++"}, {"solver": "unipc"})


@pytest.mark.parametrize("options", OPTIONS)
def test_a_span_equals_that_part_of_the_whole(renderer, clip, options):
    whole = paint(renderer, clip, **options).astype(int)
    for span in (slice(0, 2), slice(2, 5), slice(4, 5)):
        assert np.abs(paint(renderer, clip, span=span, **options) - whole[span]).max() <= 1


@pytest.mark.parametrize("solver", ["ddim", "dpm-solver++", "unipc"])
def test_every_solver_calls_the_network_once_a_step_and_frame_and_paints_something_of_its_own(
    renderer, clip, seen, solver
):
    painted = paint(renderer, clip, steps=4, solver=solver)
    assert len(seen) == 4 * 5
    if solver != "ddim":
        assert not np.array_equal(painted, paint(renderer, clip, steps=4))


def test_noise_comes_from_the_seed_or_from_a_file(renderer, clip):
    noise = shared_noise(32, 3)[0].numpy().astype(np.float64)
    first, again, other, given = (
        paint(renderer, clip, **o) for o in ({"seed": 3}, {"seed": 3}, {"seed": 4}, {"x_t": noise})
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, given)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"steps": 0}, UsageError, "steps must be from 1 to 1000, got 0"),
        ({"steps": 1001}, UsageError, "steps must be from 1 to 1000, got 1001"),
        ({"solver": "x"}, UsageError, r"unknown solver 'x', expected ddim, dpm-solver\+\+, unipc"),
        ({"x_t": np.zeros((3, 16, 16))}, DataError, r"x_T has shape \(3, 16, 16\), expected \(3, 32, 32\)"),
    ],
)
def test_impossible_options_are_refused(renderer, clip, options, error, complaint):
    with pytest.raises(error, match=complaint):
        renderer.painter(clip, **options)


def test_halves_paint_nearly_the_same(renderer, clip):
    halves = DiffDubRenderer(tiny_network(), dtype="bf16")
    difference = np.abs(paint(renderer, clip).astype(int) - paint(halves, clip))
    assert 0 < difference.mean() < 3
