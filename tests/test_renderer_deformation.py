"""Flow fields and affine moves against plain array operations."""

import numpy as np
import pytest
import torch

from dd_tools.renderer.deformation import Bending, deform, follow


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(0).random((2, 3, 16, 16), np.float32))


def test_no_flow_changes_nothing(image):
    torch.testing.assert_close(deform(image, torch.zeros(2, 2, 4, 4)), image, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("cells", "flow", "columns", "rows"), [(4, (1, 0), 4, 0), (4, (0, -0.5), 0, -2), (8, (1.5, 1), 3, 2)]
)
def test_an_even_flow_fetches_pixels_from_so_many_cells_away(image, cells, flow, columns, rows):
    field = torch.tensor(flow).reshape(1, 2, 1, 1).expand(2, 2, cells, cells)
    fetched = np.clip(np.arange(16) + columns, 0, 15), np.clip(np.arange(16) + rows, 0, 15)
    expected = image[:, :, fetched[1]][:, :, :, fetched[0]]
    torch.testing.assert_close(deform(image, field), expected, atol=1e-5, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn(image):
    turn = torch.tensor([[[0.0, -1, 0], [1, 0, 0]]]).expand(2, 2, 3)
    torch.testing.assert_close(follow(image, turn), torch.rot90(image, 1, (2, 3)), atol=1e-5, rtol=0)


def test_gradients_reach_the_flow(image):
    flow = torch.zeros(2, 2, 4, 4, requires_grad=True)
    (deform(image, flow) - image.roll(1, 3)).square().sum().backward()
    assert (flow.grad.abs() > 0).all()


def test_references_bend_each_by_its_own_flow_and_blend_by_their_weights(image):
    bending = Bending(4, 2).eval()
    convolution = bending.maps[-1]
    # The same everywhere: the first image a cell of the maps' own (2 pixels) from the left, the second two from above.
    flows, logits = torch.tensor([1.0, 0, 0, 2]), torch.tensor([0.5, -0.5])
    convolution.bias.data = torch.cat([flows, logits]).repeat_interleave(4)
    first, second = image[:1], image[1:]
    share = torch.sigmoid(logits[0] - logits[1])
    expected = share * deform(first, flows[:2].reshape(1, 2, 1, 1).expand(1, 2, 8, 8))
    expected += (1 - share) * deform(second, flows[2:].reshape(1, 2, 1, 1).expand(1, 2, 8, 8))
    found = bending(torch.randn(1, 4, 4, 4), torch.cat([first, second], 1))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found[..., :12, :14], (
        share * first[..., :12, 2:] + (1 - share) * second[..., 4:, :14]
    ), atol=1e-5, rtol=0)  # fmt: skip


def test_places_are_exact_whatever_the_precision_of_the_rest(image):
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(deform(image, torch.zeros(2, 2, 4, 4)), image, atol=1e-6, rtol=0)
