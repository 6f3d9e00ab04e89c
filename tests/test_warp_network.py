"""The warp renderer's network: what it sees, what it is conditioned on, and its weights file."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_warp import RENDERER, shaken, tiny_network

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import RENDERER as STAGE
from dd_tools.formats.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dd_tools.warp.network import RendererConfig, WarpNetwork
from dd_tools.warp.renderer import network_from
from dd_tools.warp.renderer_training import PRESETS

SIZE = RENDERER.size


def inputs() -> tuple[torch.Tensor, ...]:
    """Two images, their masks, two references of each, and latents of all, random."""
    generator = torch.Generator().manual_seed(0)
    image, *references = torch.randn(3, 2, 3, SIZE, SIZE, generator=generator).clamp(-1, 1)
    mask = torch.zeros(2, 1, SIZE, SIZE)
    mask[:, :, 16:, 8:24] = 1
    return image, mask, torch.stack(references, 1), torch.randn(2, 3, RENDERER.z_size, generator=generator)


def test_the_shipped_preset_has_14_million_parameters():
    with torch.device("meta"):
        network = WarpNetwork(PRESETS["warp"].config)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(14.1e6, rel=0.01)


def test_a_new_network_shows_its_references_blended_and_nothing_else():
    image, mask, references, z = inputs()
    share = 1 / (1 + np.exp(-2.0))  # of two, the first counts more
    expected = share * references[:, 0] + (1 - share) * references[:, 1]
    torch.testing.assert_close(WarpNetwork(RENDERER).eval()(image, mask, references, z), expected, atol=1e-5, rtol=0)


def test_masked_pixels_are_not_seen_and_all_others_are():
    network, (image, mask, references, z) = tiny_network(), inputs()
    painted = network(image, mask, references, z)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(network(torch.where(mask > 0, noise, image), mask, references, z), painted)
    assert not torch.allclose(network(torch.where(mask > 0, image, noise), mask, references, z), painted, atol=1e-3)


def test_every_reference_and_every_latent_reaches_the_output():
    network, (image, mask, references, z) = tiny_network(), inputs()
    painted = network(image, mask, references, z)
    for index in range(2):
        other = references.clone()
        other[:, index] *= -1
        assert not torch.allclose(network(image, mask, other, z), painted, atol=1e-3)
    for index in range(3):
        other = z.clone()
        other[:, index] *= -1
        assert not torch.allclose(network(image, mask, references, other), painted, atol=1e-3)


def test_what_all_latents_share_cancels_out():
    """Identity is in all of them."""
    network, (image, mask, references, z) = tiny_network(), inputs()
    painted, shifted = network(image, mask, references, z), network(image, mask, references, z + 0.5)
    torch.testing.assert_close(shifted, painted, atol=1e-3, rtol=1e-3)


def test_conditions_are_differences_in_standard_deviations_of_the_training_data():
    network, z = tiny_network(), torch.randn(2, 3, RENDERER.z_size)
    network.normalise.running_mean[:], network.normalise.running_var[:] = 0.25, 4.0
    expected = torch.cat([z[:, 0] - z[:, other] for other in (1, 2)], dim=1) / 2
    torch.testing.assert_close(network.relative_latents(z), expected, atol=1e-4, rtol=1e-4)


def test_a_latent_is_an_appearance_code_and_then_the_landmarks():
    network = tiny_network()
    face, landmarks = torch.randn(2, 3, SIZE, SIZE), torch.rand(2, 25, 2)
    z = network.encode(face, landmarks)
    assert z.shape == (2, RENDERER.z_size)
    assert torch.equal(z[:, -50:], landmarks.flatten(1))
    others = network.encode(face, landmarks + 1)
    assert torch.equal(others[:, :-50], z[:, :-50]) and not torch.allclose(
        network.encode(-face, landmarks)[:, :-50], z[:, :-50], atol=1e-3
    )


def write_network(path, network: WarpNetwork, config: RendererConfig = RENDERER, without: str = ""):
    tensors = {name: tensor for name, tensor in network.state_dict().items() if name != without}
    write_checkpoint(path, Checkpoint(STAGE, "warp", config.to_json(), tensors))
    return path


def test_weights_survive_the_file(tmp_path):
    network, path = tiny_network(), tmp_path / "renderer.safetensors"
    loaded = network_from(read_checkpoint(write_network(path, network), STAGE), path)
    assert loaded.config == network.config and not loaded.training
    assert torch.equal(loaded(*inputs()), network(*inputs()))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"without": "unet.residual.2.bias"}, r"r.safetensors': tensor 'unet.residual.2.bias' is missing, expected"),
        ({"config": replace(RENDERER, refinement_channels=8)}, r"tensor 'unet.refinement.* is \(.*, expected \("),
        ({"config": replace(RENDERER, references=1)}, r"tensor 'unet.* is \(.*, expected \("),
    ],
)
def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path, changes, complaint):
    path = write_network(tmp_path / "r.safetensors", shaken(WarpNetwork(RENDERER)), **changes)
    with pytest.raises(DataError, match=complaint) as caught:
        network_from(read_checkpoint(path, STAGE), path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"size": 100}, r"renderer size 100 is not a multiple of 8, which multipliers \(1, 2\) need"),
        ({"size": 40}, r"renderer size 40 is not a multiple of 16, which encoder_multipliers \(1, 2, 3\) need"),
        ({"z_size": 50}, "z_size 50 leaves no room beside the 50 landmark values"),
        ({"references": 0}, "references must be at least 1, got 0"),
        ({"patch": 3}, "renderer patch must be even, got 3"),
    ],
)
def test_impossible_configurations_are_refused(change, complaint):
    with pytest.raises(UsageError, match=complaint):
        RendererConfig(**change)
