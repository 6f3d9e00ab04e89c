"""Warping along flow fields against plain array operations, and the blend of warped references."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.nn.images import to_frames, to_images
from dd_tools.warp.flow import FlowBlend, sample_image, warp

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
    found = blend(torch.randn(1, 4, 4, 4), torch.cat([first, second], 1))
    share = 1 / (1 + np.exp(-1.0))
    expected = share * first[..., :12, 2:] + (1 - share) * second[..., 4:, :14]
    torch.testing.assert_close(found[..., :12, :14], expected, atol=1e-5, rtol=0)


def test_a_new_blend_shows_mostly_the_first_reference_unmoved(image):
    """Of three, by e² to one."""
    references = torch.cat([image[:1], image[1:], image[:1].flip(3)], 1)
    first, *others = references.split(3, dim=1)
    found = FlowBlend(4, 3).eval()(torch.randn(1, 4, 4, 4), references)
    expected = (np.exp(2.0) * first + sum(others)) / (np.exp(2.0) + 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_positions_are_exact_whatever_the_precision_of_the_rest(image):
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(warp(image, torch.zeros(2, 2, 4, 4)), image, atol=1e-6, rtol=0)
