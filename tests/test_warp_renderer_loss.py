"""The training loss of the warp renderer: where pixels count, and the perceptual distance."""

import pytest
import torch
from tiny_warp import RENDERER, drawn_points, tiny_network

from dd_tools.warp import renderer_loss
from dd_tools.warp.renderer_loss import PaintingLoss, close_up, detail, detail_difference, lip_weight, share_codes

SIZE = RENDERER.size


@pytest.fixture
def batch():
    """What `RendererData` gives, of two samples, random and all painted; the lips are in the middle."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"image": (), "faces": (3,), "references": (2,)}
    images = {
        name: torch.randn(2, *more, 3, SIZE, SIZE, generator=generator).clamp(-1, 1) for name, more in shapes.items()
    }
    return images | {"points": points(), "mask": torch.ones(2, 1, SIZE, SIZE)}


def points(lips: float = 0.0) -> torch.Tensor:
    """`alignment_points` (2, 3, 46, 2) of drawn faces, whose lips are in one place at x and y `lips`."""
    found = drawn_points(0.1).repeat(2, 3, 1, 1)
    found[:, :, -20:] = lips
    return found


def painted(network, batch) -> torch.Tensor:
    """The network's output with the codes of the face images, one by one."""
    codes = torch.stack([network.encoder(batch["faces"][:, index]) for index in range(3)], 1)
    return network(batch["image"], batch["mask"], batch["references"], codes, batch["points"])


@pytest.fixture
def without_detail(monkeypatch):
    monkeypatch.setattr(renderer_loss, "DETAIL_WEIGHT", 0.0)


def rectangle(batch, rows: slice, columns: slice) -> dict:
    mask = torch.zeros(2, 1, SIZE, SIZE)
    mask[:, :, rows, columns] = 1
    return batch | {"mask": mask}


def test_nothing_outside_the_mask_counts(batch):
    loss = PaintingLoss(tiny_network()).eval()
    assert loss(batch | {"mask": torch.zeros(2, 1, SIZE, SIZE)}) == 0


@torch.no_grad()
def test_far_from_the_lips_the_loss_is_the_squared_error_over_all_pixels(batch, without_detail):
    network, corner = tiny_network(), rectangle(batch, slice(0, 8), slice(0, 8))
    error = (painted(network, corner) - batch["image"])[:, :, :8, :8].square().sum() / (2 * 3 * SIZE * SIZE)
    torch.testing.assert_close(PaintingLoss(network).eval()(corner), error, rtol=1e-4, atol=0)


@torch.no_grad()
def test_at_a_landmark_of_the_lips_a_pixel_counts_five_times(batch, without_detail):
    network, sample = tiny_network(), rectangle(batch, slice(16, 17), slice(16, 17))
    sample["points"] = points(1 / 32)  # the centre of this pixel
    error = (painted(network, sample) - batch["image"])[:, :, 16, 16].square().sum() / (2 * 3 * SIZE * SIZE)
    torch.testing.assert_close(PaintingLoss(network).eval()(sample), 5 * error, rtol=1e-3, atol=0)


def test_the_weight_of_lips_falls_off_around_each_of_them():
    """Largest at the pixel with a landmark, the same in all directions, and nothing at three times the reach."""
    points = torch.full((1, 46, 2), -0.5 - 1 / 64)  # nose, eyes and chin do not count
    points[:, 26:] = torch.tensor([0.5 + 1 / 64, -1 / 64])  # the centre of a pixel
    weight = lip_weight(points, 64)[0, 0]
    assert weight.argmax() == 31 * 64 + 48 and weight.max() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(weight[31, 48:54], weight[31:37, 48], atol=1e-5, rtol=0)
    assert (weight[31, 48:58].diff() < 0).all()
    assert weight[31, 50:52].tolist() == pytest.approx([0.543, 0.253], abs=2e-3)  # 1/16 and 3/32 away
    assert weight[:, :40].max() < 1e-3


@torch.no_grad()
def test_a_perceptual_distance_is_added_for_the_whole_and_for_the_mouth(batch):
    """Half of each; it is asked about images in [−1, 1] that are the known ones outside the mask."""
    network, sample, asked = tiny_network(), rectangle(batch, slice(16, 32), slice(8, 24)), []

    def distance(one, other):
        asked.append((one, other))
        return torch.tensor([1.0, 3.0]) * len(asked)

    plain = PaintingLoss(network).eval()(sample)
    torch.testing.assert_close(PaintingLoss(network, perceptual=distance).eval()(sample), plain + 0.5 * (2.0 + 4.0))
    (whole, truth), (near, near_truth) = asked
    assert torch.equal(truth, batch["image"]) and torch.equal(whole[:, :, :16], batch["image"][:, :, :16])
    assert whole.abs().max() <= 1 and not torch.allclose(whole, truth, atol=0.1)
    assert near.shape == near_truth.shape == truth.shape and not torch.allclose(near_truth, truth, atol=0.1)


@torch.no_grad()
def test_half_of_the_difference_in_detail_at_the_lips_is_added(batch, monkeypatch):
    network, sample = tiny_network(), rectangle(batch, slice(8, 32), slice(8, 24))
    lips = sample["mask"] * lip_weight(sample["points"][:, 0], SIZE)
    added = detail_difference(painted(network, sample), sample["image"], lips)
    found = PaintingLoss(network).eval()(sample)
    monkeypatch.setattr(renderer_loss, "DETAIL_WEIGHT", 0.0)
    torch.testing.assert_close(found - PaintingLoss(network).eval()(sample), added / 2)
    assert added > 0.01


def waves(phase: float, amplitude: float = 0.2) -> torch.Tensor:
    """An image (1, 3, 64, 64) of vertical stripes, eight pixels apart."""
    row = amplitude * torch.sin(torch.arange(64) * torch.pi / 4 + phase)
    return row.expand(1, 3, 64, 64)


def test_detail_is_the_rms_of_the_gradient_wherever_the_stripes_are():
    """Central differences of a wave of eight pixels have 0.637 of its derivative; 0.01 is added in quadrature."""
    expected = ((0.2 * 0.7071) ** 2 / 2 + 1e-4) ** 0.5
    for phase in (0.0, 0.7, 2.0):
        inside = detail(waves(phase))[0, 0, :, 1:-1]
        torch.testing.assert_close(inside, torch.full_like(inside, expected), atol=1e-4, rtol=0)
        torch.testing.assert_close(detail(waves(phase).mT), detail(waves(phase)).mT)
    assert detail(torch.full((1, 3, 64, 64), 0.8)).max() == pytest.approx(0.01, abs=1e-5)


def test_blur_differs_in_detail_only_where_it_is_weighted():
    image, left = waves(0.0), torch.zeros(1, 1, 64, 64)
    blurred = torch.cat([image[..., :32], 0.5 * image[..., 32:]], dim=3)
    left[..., :20] = 1
    assert detail_difference(image, blurred, left) == 0
    assert detail_difference(image, blurred, left.flip(3)) == pytest.approx(0.1 / 2, abs=0.003)
    assert detail_difference(image, blurred, 0 * left) == 0


def test_a_close_up_shows_the_lips_at_twice_the_size():
    places = (torch.arange(32) + 0.5) / 16 - 1
    image = torch.stack([places.expand(32, 32), places[:, None].expand(32, 32)])[None]  # pixels hold where they are
    points = torch.full((1, 46, 2), 9.0)  # nose, eyes and chin do not count
    points[:, 26:] = torch.tensor([0.25, 0.375]) + 0.1 * torch.linspace(-1, 1, 20)[:, None]
    near = close_up(image, points)[0]
    torch.testing.assert_close(near[0, 7], 0.25 + places / 2, atol=1e-5, rtol=0)
    torch.testing.assert_close(near[1, :, 7], 0.375 + places / 2, atol=1e-5, rtol=0)


@pytest.mark.parametrize("keep_encoder", [True, False])
def test_a_kept_encoder_gets_no_gradient_and_its_statistics_stay(batch, keep_encoder):
    network = tiny_network()
    before = network.normalise.running_mean.clone()
    loss = PaintingLoss(network, keep_encoder=keep_encoder).train()
    loss(batch).backward()
    assert torch.equal(network.normalise.running_mean, before) is keep_encoder
    assert all((parameter.grad is None) is keep_encoder for parameter in network.encoder.parameters())
    assert all(parameter.grad is not None for parameter in network.unet.parameters())


def test_a_code_is_in_part_the_mean_of_the_references():
    codes = torch.tensor([[[1.0], [3.0], [5.0]]] * 3)
    shared = share_codes(codes, torch.tensor([1.0, 0.25, 0.0]))
    torch.testing.assert_close(shared[:, 0, 0], torch.tensor([1.0, 3.25, 4.0]))
    assert torch.equal(shared[:, 1:], codes[:, 1:])


@torch.no_grad()
def test_a_share_of_nothing_paints_with_the_mean_code_of_the_references(batch, without_detail):
    network = tiny_network()
    faces = batch["faces"].flatten(0, 1)
    codes = network.encoder(faces).unflatten(0, (2, 3))
    codes[:, 0] = codes[:, 1:].mean(1)
    expected = network(batch["image"], batch["mask"], batch["references"], codes, batch["points"])
    error = (expected - batch["image"]).square()
    weight = 1 + 4 * lip_weight(batch["points"][:, 0], SIZE)
    loss = PaintingLoss(network).eval()
    torch.testing.assert_close(loss(batch | {"code_shares": torch.zeros(2)}), (weight * error).mean())
    torch.testing.assert_close(loss(batch | {"code_shares": torch.ones(2)}), loss(batch))
    assert loss(batch) != loss(batch | {"code_shares": torch.zeros(2)})
