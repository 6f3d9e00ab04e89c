"""Warping along flow fields against plain array operations, and the blend of warped references."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.nn.images import to_frames, to_images
from dd_tools.warp.flow import FlowBlend, compose, sample_image, warp

SIZE = 16


@pytest.fixture(scope="module")
def image():
    return torch.from_numpy(np.random.default_rng(0).random((2, 3, SIZE, SIZE), np.float32))


def even_flow(x: float, y: float, cells: int) -> torch.Tensor:
    return torch.tensor([x, y]).reshape(1, 2, 1, 1).expand(2, 2, cells, cells)


@pytest.mark.parametrize("size", [16, 96, 256])
def test_no_flow_keeps_every_grey_level(size):
    frames = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    warped = warp(to_images(frames), torch.zeros(1, 2, size // 4, size // 4))
    torch.testing.assert_close(warped, to_images(frames), atol=1e-4, rtol=0)
    assert np.array_equal(to_frames(warped), frames)


@given(x=st.integers(-20, 20), y=st.integers(-20, 20), cells=st.sampled_from([2, 4, 8, 16]))
@settings(deadline=None, max_examples=60)
def test_an_even_flow_of_whole_pixels_rolls_the_image_and_repeats_its_border(image, x, y, cells):
    """The flow is in cells; the output at p is the image at p + flow."""
    warped = warp(image, even_flow(x * cells / SIZE, y * cells / SIZE, cells)).numpy()
    rolled = np.roll(image.numpy(), (-y, -x), axis=(2, 3))
    rows, columns = (slice(max(0, -shift), max(0, SIZE - max(0, shift))) for shift in (y, x))
    np.testing.assert_allclose(warped[:, :, rows, columns], rolled[:, :, rows, columns], atol=2e-5)
    beyond = np.pad(image.numpy(), ((0, 0), (0, 0), (20, 20), (20, 20)), mode="edge")
    np.testing.assert_allclose(warped, beyond[:, :, 20 + y : 20 + y + SIZE, 20 + x : 20 + x + SIZE], atol=2e-5)


@pytest.mark.parametrize(
    ("cells", "flow", "columns", "rows"), [(4, (1, 0), 4, 0), (4, (0, -0.5), 0, -2), (8, (1.5, 1), 3, 2)]
)
def test_an_even_flow_fetches_pixels_from_so_many_cells_away(image, cells, flow, columns, rows):
    fetched = np.clip(np.arange(SIZE) + columns, 0, SIZE - 1), np.clip(np.arange(SIZE) + rows, 0, SIZE - 1)
    expected = image[:, :, fetched[1]][:, :, :, fetched[0]]
    torch.testing.assert_close(warp(image, even_flow(*flow, cells)), expected, atol=1e-5, rtol=0)


def test_half_a_pixel_is_the_mean_of_two(image):
    warped = warp(image, even_flow(0.5, 0, SIZE))
    torch.testing.assert_close(warped[..., :-1], (image[..., :-1] + image[..., 1:]) / 2, atol=1e-5, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn(image):
    turn = torch.tensor([[[0.0, -1, 0], [1, 0, 0]]]).expand(2, 2, 3)
    torch.testing.assert_close(sample_image(image, turn), torch.rot90(image, 1, (2, 3)), atol=1e-5, rtol=0)


def test_gradients_reach_the_flow(image):
    flow = torch.zeros(2, 2, 4, 4, requires_grad=True)
    (warp(image, flow) - image.roll(1, 3)).square().sum().backward()
    assert (flow.grad.abs() > 0).all()


def test_references_are_warped_each_along_its_own_flow_and_blended_by_their_weights(image):
    blend = FlowBlend(4, 2).eval()
    convolution = blend.head[-1]
    # The same everywhere: the first image one cell of the flow (2 pixels) from the right, the second two from below.
    flows, logits = torch.tensor([1.0, 0, 0, 2]), torch.tensor([0.5, -0.5])
    convolution.bias.data = torch.cat([flows, logits]).repeat_interleave(4)
    first, second = image[:1], image[1:]
    found = blend(torch.randn(1, 4, 4, 4), torch.stack([first, second], 1), torch.zeros(1, 2, 2, 8, 8))
    share = 1 / (1 + np.exp(-1.0))
    expected = share * first[..., :12, 2:] + (1 - share) * second[..., 4:, :14]
    torch.testing.assert_close(found[..., :12, :14], expected, atol=1e-5, rtol=0)


def test_a_new_blend_shows_mostly_the_first_reference_unmoved(image):
    """Of three, by e² to one."""
    references = torch.stack([image[:1], image[1:], image[:1].flip(3)], 1)
    first, *others = references.unbind(1)
    found = FlowBlend(4, 3).eval()(torch.randn(1, 4, 4, 4), references, torch.zeros(1, 3, 2, 8, 8))
    expected = (np.exp(2.0) * first + sum(others)) / (np.exp(2.0) + 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [SIZE, 2 * SIZE, 3 * SIZE])
def test_references_of_any_size_are_aligned_and_then_warped(size):
    """The first is aligned by a cell to the right, then moved by one down; the second is only moved, to the left."""
    references = torch.rand(1, 2, 3, size, size, generator=torch.Generator().manual_seed(0))
    blend, cell = FlowBlend(4, 2).eval(), size // 8
    blend.head[-1].bias.data = torch.tensor([0.0, -1, 1, 0, 0.7, -0.7]).repeat_interleave(4)
    aligning = torch.tensor([[-1.0, 0], [0, 0]]).reshape(1, 2, 2, 1, 1).expand(1, 2, 2, 8, 8)
    found = blend(torch.randn(1, 4, 4, 4), references, aligning)
    share, inside = 1 / (1 + np.exp(-1.4)), np.s_[..., cell:-cell, cell:-cell]
    first, second = references[:, 0].roll((cell, cell), (2, 3)), references[:, 1].roll(-cell, 3)
    torch.testing.assert_close(found[inside], (share * first + (1 - share) * second)[inside], atol=1e-5, rtol=0)


def smooth_flow(seed: int) -> torch.Tensor:
    """A flow (1, 2, 48, 48) that varies slowly, by up to a tenth of the image or so."""
    coarse = 3 * torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bicubic", align_corners=True)


def waves(size: int) -> torch.Tensor:
    """A smooth image (1, 2, S, S)."""
    line = (torch.arange(size) + 0.5) * 2 / size - 1
    x, y = line.expand(size, size), line[:, None].expand(size, size)
    return torch.stack([(3 * x + y).sin(), (2 * y - x).cos()])[None]


@pytest.mark.parametrize("seed", range(3))
def test_a_composed_flow_warps_as_one_flow_after_the_other(seed):
    """In this order: the other order warps differently. At the border, what comes from outside is repeated."""
    first, second, image = smooth_flow(seed), smooth_flow(seed + 10), waves(96)
    twice, inside = warp(warp(image, first), second), np.s_[..., 20:-20, 20:-20]
    torch.testing.assert_close(warp(image, compose(second, first))[inside], twice[inside], atol=0.005, rtol=0)
    assert (warp(image, compose(first, second)) - twice)[inside].abs().max() > 0.1


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4))
@settings(deadline=None, max_examples=20)
def test_even_flows_add_up(shift):
    x, y, right, down = shift
    composed = compose(even_flow(x, y, 8), even_flow(right, down, 8))
    torch.testing.assert_close(composed, even_flow(x + right, y + down, 8), atol=1e-5, rtol=0)


@pytest.mark.parametrize("times", [2, 3])
def test_a_flow_warps_a_larger_image_as_the_smaller_one(times):
    flow, image = smooth_flow(0), waves(48)
    small, inside = warp(image, flow), np.s_[..., 8:-8, 8:-8]
    shrunk = torch.nn.functional.avg_pool2d(warp(waves(48 * times), flow), times)
    assert (small - image)[inside].abs().max() > 0.3
    torch.testing.assert_close(shrunk[inside], small[inside], atol=0.01, rtol=0)


def test_positions_are_exact_whatever_the_precision_of_the_rest(image):
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(warp(image, torch.zeros(2, 2, 4, 4)), image, atol=1e-6, rtol=0)
