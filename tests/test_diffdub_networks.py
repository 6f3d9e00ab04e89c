"""The networks of both stages: the authors' sizes and tensor names, and what each condition does to the output."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from released import GOLDEN
from torch.utils.flop_counter import FlopCounterMode

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.motion_network import MotionConfig, MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS as MOTION_PRESETS
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.renderer_training import PRESETS
from dd_tools.diffdub.unet import timestep_embedding

TINY = PRESETS["tiny"].config
# A 64 px miniature of the authors' layout, which the golden files describe.
MINIATURE = replace(
    RendererConfig(),
    size=64,
    channels=32,
    multipliers=(1, 2, 4, 8),
    encoder_channels=32,
    encoder_multipliers=(1, 2, 4, 8, 8),
)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(network: type, config) -> torch.nn.Module:
    """The network without any values."""
    with torch.device("meta"):
        return network(config)


def gflop(config: RendererConfig) -> float:
    """Billions of floating-point operations of one pass of the U-Net over one image."""
    network, size = on_meta(DiffusionAutoencoder, config), config.size
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        image, t, z = torch.empty(1, 3, size, size), torch.zeros(1, dtype=torch.long), torch.empty(1, config.z_size)
        network(image, image, t, z)
    return counter.get_total_flops() / 1e9


def test_the_papers_renderer_has_the_published_size_and_cost():
    network = on_meta(DiffusionAutoencoder, PRESETS["paper"].config)
    assert parameters(network) == 168_495_747
    assert parameters(network.encoder) == 30_150_400
    assert gflop(PRESETS["paper"].config) == pytest.approx(554.9, abs=0.05)


def test_the_small_renderer_is_one_that_two_cores_can_train():
    config = PRESETS["small"].config
    assert (config.size, config.crop) == (96, "face")
    assert gflop(config) <= 6
    assert parameters(on_meta(DiffusionAutoencoder, config)) < 10e6


@pytest.mark.parametrize(("preset", "millions"), [("paper", 35.1), ("small", 1.6), ("tiny", 0.0)])
def test_motion_models_have_the_sizes_they_should(preset, millions):
    count = parameters(on_meta(MotionNetwork, MOTION_PRESETS[preset].config))
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("network", "config", "released"),
    [(DiffusionAutoencoder, MINIATURE, "renderer-64"), (MotionNetwork, MotionConfig(), "motion")],
)
def test_tensors_have_the_authors_names_and_shapes(network, config, released):
    """With nothing renamed: what they called ``encoder.`` around stage 2 is a prefix of the whole file."""
    authors = json.loads((GOLDEN / f"released-{released}.json").read_text())
    if released == "motion":
        assert all(name.startswith("encoder.") for name in authors)
        authors = {name.partition(".")[2]: shape for name, shape in authors.items()}
    own = {name: list(tensor.shape) for name, tensor in on_meta(network, config).state_dict().items()}
    assert own == authors


def test_timestep_embedding_is_the_cosines_then_the_sines():
    angles = np.array([3.0, 3.0 * 10000**-0.5])
    expected = np.concatenate([np.cos(angles), np.sin(angles)])
    np.testing.assert_allclose(timestep_embedding(torch.tensor([3]), 4)[0], expected, atol=1e-6)
    assert timestep_embedding(torch.tensor([0, 999]), 6).shape == (2, 6)


def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """The network with every parameter drawn anew, so that layers that start at zero take part, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


@torch.no_grad()
def test_every_condition_reaches_the_noise_prediction():
    network, size = shaken(DiffusionAutoencoder(TINY)), TINY.size
    x, reference = torch.randn(2, 1, 3, size, size)
    t, z = torch.tensor([10]), torch.randn(1, TINY.z_size)
    eps = network(x, reference, t, z)
    assert eps.shape == (1, 3, size, size)
    for changed in ((-x, reference, t, z), (x, -reference, t, z), (x, reference, t + 500, z), (x, reference, t, -z)):
        assert not torch.allclose(network(*changed), eps, atol=1e-3)


@torch.no_grad()
def test_every_image_of_a_batch_is_by_itself():
    network, size = shaken(DiffusionAutoencoder(TINY)), TINY.size
    x, reference = torch.randn(2, 3, 3, size, size)
    t, z = torch.tensor([0, 500, 999]), torch.randn(3, TINY.z_size)
    alone = torch.cat([network(*(given[i : i + 1] for given in (x, reference, t, z))) for i in range(3)])
    torch.testing.assert_close(network(x, reference, t, z), alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network.encode(x), torch.cat([network.encode(one[None]) for one in x]))


def test_a_new_renderer_predicts_no_noise():
    network, size = DiffusionAutoencoder(TINY).eval(), TINY.size
    image = torch.randn(1, 3, size, size)
    assert not network(image, image, torch.tensor([500]), torch.randn(1, TINY.z_size)).any()


def test_dropout_of_the_u_net_is_a_tenth_and_the_encoder_has_none():
    network = on_meta(DiffusionAutoencoder, PRESETS["paper"].config)
    rates = {layer.p for layer in network.modules() if isinstance(layer, torch.nn.Dropout)}
    assert rates == {0.1}
    assert not [layer for layer in network.encoder.modules() if isinstance(layer, torch.nn.Dropout)]
