"""The networks: the authors' numbers, parameter counts, attention and resampling against plain versions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, write_checkpoint
from dd_tools.renderer.autoencoder import Renderer, load_renderer
from dd_tools.renderer.blocks import AttentionBlock, Downsample, ResBlock, timestep_embedding
from dd_tools.renderer.config import PRESETS, RendererConfig
from dd_tools.renderer.diffusion import ddim_sample
from dd_tools.renderer.objective import MaskedDenoising, close_up


def dummy_batch(size, references=1, **values):
    """What `RendererData` gives, of two samples, random and all painted."""
    shapes = {"image": (), "eps": (), "faces": (1 + references,), "references": (references,)}
    batch = {name: torch.randn(2, *more, 3, size, size).clamp(-1, 1) for name, more in shapes.items()}
    batch |= {"points": torch.rand(2, 1 + references, 25, 2) - 0.5, "mask": torch.ones(2, 1, size, size)}
    return batch | {"rectify": torch.tensor([False] * 2)} | values


# Everything that the default preset has and the tiny one has not.
FULL = replace(
    PRESETS["tiny"], z_size=66, z_points=True, references=2, prediction="x0", from_reference=True, detail_channels=8
)


def shaken(module):
    """Fill every parameter with noise, so that branches that start at zero take part."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


def tiny_renderer():
    return shaken(Renderer(PRESETS["tiny"]))


def test_paper_preset_has_the_published_size():
    with torch.device("meta"):
        renderer = Renderer(PRESETS["paper"])
    assert sum(p.numel() for p in renderer.parameters()) == 168_495_747
    assert sum(p.numel() for p in renderer.encoder.parameters()) == 30_150_400


def test_timestep_embedding_literal():
    angles = np.array([3.0, 3.0 * 10000**-0.5])
    expected = np.concatenate([np.cos(angles), np.sin(angles)])
    np.testing.assert_allclose(timestep_embedding(torch.tensor([3]), 4)[0], expected, atol=1e-6)


def test_attention_is_the_slow_obvious_one():
    block, x = shaken(AttentionBlock(32)), torch.randn(2, 32, 3, 5)
    expected = x.clone()
    for image in range(2):
        h = F.group_norm(x[image : image + 1], 32, block.norm.weight, block.norm.bias, 1e-5)[0].reshape(32, 15)
        q, k, v = (block.qkv.weight[:, :, 0] @ h + block.qkv.bias[:, None]).chunk(3)
        weights = torch.softmax((q * 32**-0.25).T @ (k * 32**-0.25), dim=1)
        out = block.proj_out.weight[:, :, 0] @ (v @ weights.T) + block.proj_out.bias[:, None]
        expected[image] += out.reshape(32, 3, 5)
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_down_block_halves_by_means():
    block, x = shaken(ResBlock(32, 32, resample=Downsample)), torch.randn(1, 32, 4, 6)
    h = F.silu(F.group_norm(x, 32, block.in_layers[0].weight, block.in_layers[0].bias))

    def mean(values):
        return values.reshape(1, 32, 2, 2, 3, 2).mean((3, 5))

    torch.testing.assert_close(block(x), mean(x) + block.in_layers[2](mean(h)), atol=1e-5, rtol=1e-5)


def test_conditions_reach_the_output():
    renderer, size = tiny_renderer(), PRESETS["tiny"].size
    x, reference = torch.randn(2, 1, 3, size, size)
    t, z = torch.tensor([10]), torch.randn(1, 16)
    base = renderer(x, reference, t, z)
    assert base.shape == (1, 3, size, size)
    for other in ((x, -reference, t, z), (x, reference, t + 500, z), (x, reference, t, -z)):
        assert not torch.allclose(renderer(*other), base, atol=1e-3)


def test_loss_counts_the_mask_alone_and_scales_with_its_area():
    objective, size = MaskedDenoising(tiny_renderer()), PRESETS["tiny"].size
    batch = dummy_batch(size, t=torch.tensor([999, 999]), mask=torch.zeros(2, 1, size, size))
    assert objective(batch) == 0
    batch["mask"][:, :, 8:24, 8:24] = 1
    model = objective.model
    signal, sigma = model.schedule.at(batch["t"])
    noised = torch.where(batch["mask"] > 0, signal * batch["image"] + sigma * batch["eps"], batch["image"])
    image_face, reference_face = batch["faces"].unbind(1)
    z = model.encode(image_face) - model.encode(reference_face)
    output = model(noised, batch["references"][:, 0], batch["t"], z)
    error = (output - (signal * batch["eps"] - sigma * batch["image"])) ** 2
    expected = error[:, :, 8:24, 8:24].sum() / (2 * 3 * size * size)
    torch.testing.assert_close(objective(batch), expected)


def test_rectified_samples_go_on_from_one_step_of_sampling():
    objective, size = MaskedDenoising(tiny_renderer()), PRESETS["tiny"].size
    batch = dummy_batch(size, t=torch.tensor([300, 300]), rectify=torch.tensor([True, False]))
    model, reference = objective.model, batch["references"][:, 0]
    image_face, reference_face = batch["faces"].unbind(1)
    z = model.encode(image_face) - model.encode(reference_face)
    start = ddim_sample(
        lambda x, t: model(x, reference, t, z), model.schedule, "v", batch["eps"], batch["image"], batch["mask"], 1
    )
    start[1] = batch["image"][1]
    signal, sigma = model.schedule.at(batch["t"])
    output = model(signal * start + sigma * batch["eps"], reference, batch["t"], z)
    expected = (output - (signal * batch["eps"] - sigma * batch["image"])).square().mean()
    torch.testing.assert_close(objective(batch), expected)


def test_a_renderer_from_its_reference_starts_by_repeating_it():
    renderer = Renderer(FULL).eval()
    x, first, second = torch.randn(3, 1, 3, 32, 32)
    output = renderer(x, torch.cat([first, second], 1), torch.tensor([10]), torch.randn(1, FULL.condition_size))
    share = 1 / (1 + np.exp(-2.0))  # of two, the first counts more
    torch.testing.assert_close(output, share * first + (1 - share) * second, atol=1e-5, rtol=0)


def test_pixels_at_the_lips_weigh_more_and_a_distance_is_added():
    model, size = tiny_renderer(), PRESETS["tiny"].size
    batch = dummy_batch(size, t=torch.tensor([300, 300]))
    batch["points"][:] = 0.0  # all lips in the middle of the picture
    with torch.no_grad():
        plain, weighted, judged = (
            MaskedDenoising(model, **more)(batch)
            for more in ({}, {"lips": 3.0}, {"perceptual": lambda images, others: torch.tensor([1.0, 3.0])})
        )
        # With no mask but in the middle, all error is at the lips.
        middle = torch.zeros_like(batch["mask"])
        middle[:, :, size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1] = 1
        batch["mask"] = middle
        inside = [MaskedDenoising(model, lips=weight)(batch) for weight in (0.0, 3.0)]
    assert plain < weighted < 2 * plain
    torch.testing.assert_close(judged, plain + 0.5 * (2.0 + 2.0))  # of the whole and of the mouth
    reach = np.exp(-2 * (1 / size) ** 2 / 0.08**2)  # the four pixels' centres, in units of half the side
    torch.testing.assert_close(inside[1] / inside[0], torch.tensor(1 + 3 * reach, dtype=torch.float32))


def test_a_close_up_shows_the_lips_at_twice_the_size():
    places = (torch.arange(32) + 0.5) / 16 - 1
    image = torch.stack([places.expand(32, 32), places[:, None].expand(32, 32)])[None]  # every pixel says where it is
    points = torch.full((1, 25, 2), 9.0)  # the chin does not count
    points[:, 5:] = torch.tensor([0.25, 0.375]) + 0.1 * torch.linspace(-1, 1, 20)[:, None]
    near = close_up(image, points)[0]
    torch.testing.assert_close(near[0, 7], 0.25 + places / 2, atol=1e-5, rtol=0)
    torch.testing.assert_close(near[1, :, 7], 0.375 + places / 2, atol=1e-5, rtol=0)


def test_a_latent_of_points_ends_in_them():
    renderer = Renderer(FULL).eval()
    face, points = torch.randn(2, 3, 32, 32), torch.rand(2, 25, 2)
    z = renderer.encode(face, points)
    assert z.shape == (2, FULL.z_size)
    assert torch.equal(z[:, -50:], points.flatten(1))
    assert torch.equal(z[:, :-50], renderer.encoder(face))
    with pytest.raises(ValueError, match="needs points"):
        renderer.encode(face)


def test_conditions_are_differences_from_every_reference_in_deviations_of_the_training_data():
    renderer = shaken(Renderer(FULL))
    z = torch.randn(2, 3, FULL.z_size)
    renderer.normalise.running_mean[:], renderer.normalise.running_var[:] = 0.25, 4.0
    expected = torch.cat([z[:, 0] - z[:, other] for other in (1, 2)], dim=1) / 2
    torch.testing.assert_close(renderer.condition(z), expected, atol=1e-4, rtol=1e-4)
    assert expected.shape[1] == FULL.condition_size
    absolute = Renderer(replace(FULL, z_relative=False)).eval()
    absolute.normalise.running_mean[:], absolute.normalise.running_var[:] = 0.25, 4.0
    torch.testing.assert_close(absolute.condition(z[:, :1]), (z[:, 0] - 0.25) / 2, atol=1e-4, rtol=1e-4)


def test_weights_survive_the_file(tmp_path):
    renderer, path = tiny_renderer(), tmp_path / "r.safetensors"
    write_checkpoint(path, Checkpoint(RENDERER, renderer.config.to_json(), renderer.state_dict()))
    loaded = load_renderer(path)
    assert loaded.config == renderer.config
    face = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded.encode(face), renderer.encode(face))


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path):
    state = tiny_renderer().state_dict()
    state.pop("unet.out.2.bias")
    write_checkpoint(tmp_path / "r.safetensors", Checkpoint(RENDERER, PRESETS["tiny"].to_json(), state))
    with pytest.raises(DataError, match=r"r.safetensors': tensor 'unet.out.2.bias' is missing, expected \(12,\)"):
        load_renderer(tmp_path / "r.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 100}, "size 100 is not a multiple"),
        ({"prediction": "x"}, "prediction 'x'"),
        ({"schedule": "s"}, "schedule 's'"),
        ({"z_size": 50}, "z_size 50 leaves no room beside the 50 values"),
        ({"references": 0}, "references must be at least 1"),
        ({"patch": 1}, "detail_channels need"),
    ],
)
def test_impossible_configurations_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        RendererConfig(**(PRESETS["default"].to_json() | change))
