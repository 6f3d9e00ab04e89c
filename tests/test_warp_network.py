"""The warp renderer's network: what it sees, what it is conditioned on, and its weights file."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from factories import dummy_face, dummy_face_landmarks, dummy_pose
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_warp import RENDERER, drawn_points, shaken, tiny_network
from torch.nn import functional

from dd_tools.errors import DataError, UsageError
from dd_tools.face.geometry import face_image
from dd_tools.formats.checkpoint import RENDERER as STAGE
from dd_tools.formats.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from dd_tools.nn.images import to_images
from dd_tools.warp.alignment import HEAD_COUNT
from dd_tools.warp.lip_maps import lip_maps
from dd_tools.warp.network import WarpNetwork, shrink
from dd_tools.warp.renderer import network_from
from dd_tools.warp.renderer_config import RendererConfig
from dd_tools.warp.renderer_training import PRESETS

SIZE = RENDERER.size


def inputs(times: int = 1) -> tuple[torch.Tensor, ...]:
    """Two random images of `times` the network's size, their masks, two references of each, codes and points of all."""
    generator, side = torch.Generator().manual_seed(0), times * SIZE
    image, *references = torch.randn(3, 2, 3, side, side, generator=generator).clamp(-1, 1)
    mask = torch.zeros(2, 1, side, side)
    mask[:, :, side // 2 :, side // 4 : 3 * side // 4] = 1
    codes = torch.randn(2, 3, RENDERER.z_size - 50, generator=generator)
    points = drawn_points(0.1, 0.2, 0.3, 0.3, 0.15, 0.2).view(2, 3, 46, 2)
    return image, mask, torch.stack(references, 1), codes, points


def test_the_shipped_preset_has_10_million_parameters():
    with torch.device("meta"):
        network = WarpNetwork(PRESETS["warp"].config)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(10.26e6, rel=0.01)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_new_network_shows_its_references_blended_and_nothing_else(times):
    """They are aligned already: their landmarks are those of the image."""
    image, mask, references, codes, points = inputs(times)
    points[:, 1:] = points[:, :1]
    share = 1 / (1 + np.exp(-2.0))  # of two, the first counts more
    expected = share * references[:, 0] + (1 - share) * references[:, 1]
    painted = WarpNetwork(RENDERER).eval()(image, mask, references, codes, points)
    torch.testing.assert_close(painted, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("times", [1, 2])
def test_a_new_network_aligns_its_references_by_their_landmarks(times):
    """Those of the first are four, those of the second minus eight sixteenths of the crop to the right."""
    image, mask, references, codes, points = inputs(times)
    points[:, 1], points[:, 2] = (points[:, 0] + torch.tensor([shift, 0.0]) for shift in (0.25, -0.5))
    painted = WarpNetwork(RENDERER).eval()(image, mask, references, codes, points)
    share, side = 1 / (1 + np.exp(-2.0)), image.shape[-1]
    first, second = references[:, 0].roll(-side // 8, 3), references[:, 1].roll(side // 4, 3)
    inside = np.s_[..., side // 4 : -side // 8]
    torch.testing.assert_close(painted[inside], (share * first + (1 - share) * second)[inside], atol=1e-4, rtol=0)


@pytest.mark.parametrize("times", [1, 2])
def test_masked_pixels_are_not_seen_and_all_others_are(times):
    network, (image, mask, *rest) = tiny_network(), inputs(times)
    painted = network(image, mask, *rest)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(network(torch.where(mask > 0, noise, image), mask, *rest), painted)
    assert not torch.allclose(network(torch.where(mask > 0, image, noise), mask, *rest), painted, atol=1e-3)


@given(st.integers(0, 2**31), st.sampled_from([2, 3]))
@settings(deadline=None, max_examples=10)
def test_a_mask_whose_rim_lies_within_the_networks_pixels_hides_all_of_itself(seed, times):
    """A polygon of any shape, on the pixels of a larger crop. Next to it, what shares a pixel is hidden too."""
    network, (image, _, *rest) = tiny_network(), inputs(times)
    side, random = times * SIZE, np.random.default_rng(seed)
    corners = random.integers(0, side, (5, 2)).astype(np.int32)
    mask = torch.from_numpy(cv2.fillPoly(np.zeros((side, side), np.float32), [corners], 1.0)).expand(2, 1, side, side)
    noise = torch.from_numpy(random.normal(size=image.shape)).float()
    painted = network(image, mask, *rest)
    assert torch.equal(network(torch.where(mask > 0, noise, image), mask, *rest), painted)
    near = cv2.dilate(mask[0, 0].numpy(), np.ones((2 * times - 1, 2 * times - 1))) > 0
    far = torch.where(torch.from_numpy(near), image, noise)
    assert not torch.allclose(network(far, mask, *rest), painted, atol=1e-3)


def test_of_a_larger_crop_the_network_does_not_see_pixels_that_share_one_of_its_own_with_the_mask():
    """A mask of one pixel, the lower right of four."""
    network, (image, mask, *rest) = tiny_network(), inputs(2)
    mask[:] = 0
    mask[..., 11, 15] = 1
    painted = network(image, mask, *rest)
    for row, column, seen in ((10, 14, False), (11, 14, False), (9, 15, True), (12, 14, True), (10, 16, True)):
        other = image.clone()
        other[..., row, column] += 1
        assert torch.equal(network(other, mask, *rest), painted) is not seen


@pytest.mark.parametrize("times", [1, 2])
def test_the_network_sees_the_masked_image_maps_of_its_lips_and_how_its_references_were_aligned(times):
    """Landmarks of the first reference are four of its 32 pixels to the right, which is two patches."""
    seen, network, (image, mask, references, codes, points) = [], tiny_network(), inputs(times)
    points[:, 1], points[:, 2] = points[:, 0] + torch.tensor([0.25, 0.0]), points[:, 0]
    network.unet.input_blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(image, mask, references, codes, points)
    images, flow = seen[0].split([11 * RENDERER.patch**2, 4], dim=1)
    shown, first, second, maps = functional.pixel_shuffle(images, RENDERER.patch).split([3, 3, 3, 2], dim=1)
    small, hidden = shrink(image, SIZE), shrink(mask, SIZE).expand_as(shown) > 0
    assert torch.equal(shown[~hidden], small[~hidden]) and (shown[hidden] == 0).all()
    assert torch.equal(maps, lip_maps(points[:, 0], SIZE))
    sources = [shrink(references[:, index], SIZE) for index in range(2)]
    torch.testing.assert_close(first[..., :-4], sources[0][..., 4:], atol=1e-4, rtol=0)
    torch.testing.assert_close(second, sources[1], atol=1e-4, rtol=0)
    expected = torch.tensor([4.0, 0, 0, 0])[:, None, None].expand_as(flow)  # cells of half a patch: one pixel
    torch.testing.assert_close(flow, expected, atol=1e-4, rtol=0)


def smooth_inputs(times: int) -> tuple[torch.Tensor, ...]:
    """`inputs` with images that hardly differ at another size."""
    _, mask, _, *rest = inputs(times)
    coarse = torch.randn(6, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    images = functional.interpolate(coarse, size=mask.shape[-2:], mode="bicubic").clamp(-1, 1)
    return images[:2], mask, images[2:].unflatten(0, (2, 2)), *rest


@pytest.mark.parametrize("times", [2, 3])
@torch.no_grad()
def test_larger_crops_are_painted_as_at_the_networks_size_but_for_detail(times):
    """Means of blocks of 4 × 4 of the network's pixels are compared with what the network adds to them."""
    network, (image, mask, references, *rest) = tiny_network(), smooth_inputs(times)
    painted = network(image, mask, references, *rest)
    assert painted.shape == image.shape
    small = shrink(image, SIZE), shrink(mask, SIZE), shrink(references.flatten(0, 1), SIZE).unflatten(0, (2, 2))
    expected, blended = (shrink(one(*small, *rest), 8) for one in (network, WarpNetwork(RENDERER).eval()))
    added = (expected - blended).abs().mean()
    assert added > 0.3 and (shrink(painted, 8) - expected).abs().mean() < 0.05 * added


def test_every_reference_and_every_latent_reaches_the_output():
    """And the landmarks of each."""
    network, (image, mask, references, codes, points) = tiny_network(), inputs()
    painted = network(image, mask, references, codes, points)
    for index in range(2):
        other = references.clone()
        other[:, index] *= -1
        assert not torch.allclose(network(image, mask, other, codes, points), painted, atol=1e-3)
    for index in range(3):
        other, elsewhere = codes.clone(), points.clone()
        other[:, index] *= -1
        elsewhere[:, index, HEAD_COUNT:] += 0.1
        assert not torch.allclose(network(image, mask, references, other, points), painted, atol=1e-3)
        assert not torch.allclose(network(image, mask, references, codes, elsewhere), painted, atol=1e-3)


def test_what_all_codes_share_cancels_out():
    """Identity is in all of them."""
    network, (*images, codes, points) = tiny_network(), inputs()
    painted, shifted = network(*images, codes, points), network(*images, codes + 0.5, points)
    torch.testing.assert_close(shifted, painted, atol=1e-3, rtol=1e-3)


def test_conditions_are_differences_in_standard_deviations_of_the_training_data():
    network, codes = tiny_network(), torch.randn(2, 3, RENDERER.z_size - 50)
    network.normalise.running_mean[:], network.normalise.running_var[:] = 0.25, 4.0
    expected = torch.cat([codes[:, 0] - codes[:, other] for other in (1, 2)], dim=1) / 2
    torch.testing.assert_close(network.relative_codes(codes), expected, atol=1e-4, rtol=1e-4)


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


@pytest.mark.parametrize("times", [2, 3])
def test_the_code_of_a_crop_does_not_depend_on_the_size_of_the_face_image(times):
    """The larger one, subsampled, is the smaller one pixel by pixel, as both are made by nearest-neighbour sampling."""
    landmarks = dummy_face_landmarks(dummy_pose(64), 0.2)
    faces = [face_image(dummy_face(landmarks, 64), landmarks, side)[None] for side in (SIZE, times * SIZE)]
    small, large = (tiny_network().encode(to_images(face), torch.zeros(1, 25, 2)) for face in faces)
    assert torch.equal(small, large)


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
        ({"detail": 0}, "detail must be at least 1, got 0"),
        ({"patch": 3}, "renderer patch must be even, got 3"),
    ],
)
def test_impossible_configurations_are_refused(change, complaint):
    with pytest.raises(UsageError, match=complaint):
        RendererConfig(**change)
