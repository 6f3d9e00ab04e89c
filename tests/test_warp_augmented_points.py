"""Landmarks move with the images of an augmented sample: a dot that is drawn at one of them stays there."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_warp import drawn_points

from dd_tools.warp.augmentation import augment, deform, deform_points, move_points
from dd_tools.warp.drawn_changes import DEFORM_SHIFT, MIRRORED, draw_changes, draw_moves
from dd_tools.warp.flow import sample_image

SIDE = 96
LINE = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
SEEDS = st.integers(0, 2**31)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dots(places: torch.Tensor) -> torch.Tensor:
    """Black images (..., 3, S, S) with a small white dot at `places` (..., 2)."""
    x, y = ((places[..., axis, None] - LINE) * SIDE / 2 for axis in (0, 1))
    dot = (-(x[..., None, :].square() + y[..., None].square()) / (2 * 2.0**2)).exp()
    return (2 * dot - 1)[..., None, :, :].expand(*places.shape[:-1], 3, SIDE, SIDE).clone()


def centroids(images: torch.Tensor) -> torch.Tensor:
    """Where (..., 2) the dots of images (..., 3, S, S) are."""
    light = (images[..., 0, :, :] + 1).clamp(min=0)
    light = light / light.sum((-2, -1), keepdim=True)
    return torch.stack([(light.sum(-2) * LINE).sum(-1), (light.sum(-1) * LINE).sum(-1)], -1)


def pixels(distance: torch.Tensor) -> float:
    """The largest distance in pixels of points (..., 2)."""
    return distance.norm(dim=-1).max().item() * SIDE / 2


def drawn_shifts(count: int, seed: int) -> torch.Tensor:
    """As `draw_changes` draws them."""
    return DEFORM_SHIFT * (2 * torch.rand(count, 2, 4, 4, generator=generator(seed)) - 1)


@given(SEEDS)
@settings(deadline=None, max_examples=15)
def test_points_are_deformed_as_the_image_is(seed):
    points = (torch.rand(8, 3, 1, 2, generator=generator(seed)) - 0.5) * 1.5
    shifts, rows = drawn_shifts(8, seed), torch.arange(8)
    images, _ = deform(dots(points[:, :, 0]), torch.zeros(8, 1, SIDE, SIDE), rows, shifts)
    assert pixels(centroids(images) - deform_points(points, shifts)[:, :, 0]) < 0.5


@given(SEEDS)
@settings(deadline=None, max_examples=15)
def test_points_move_as_a_moved_reference_does(seed):
    drawn = draw_moves(40, generator(seed))
    points = torch.rand(len(drawn["moved"]), 1, 2, generator=generator(seed)) - 0.5
    images = sample_image(dots(points[:, 0]), drawn["maps"])
    assert pixels(centroids(images) - move_points(points, drawn["maps"])[:, 0]) < 0.1


def test_a_point_moves_literally():
    """The output at p is the image at 2 p + (0.2, 0): what was at (0.6, 0.4) is seen at (0.2, 0.2)."""
    maps = torch.tensor([[[2.0, 0, 0.2], [0, 2, 0]]])
    torch.testing.assert_close(move_points(torch.tensor([[[0.6, 0.4]]]), maps), torch.tensor([[[0.2, 0.2]]]))


@pytest.mark.parametrize("landmark", [0, 9, 20, 23, 26, 32, 43])  # nose, eyes, chin and lips
def test_a_landmark_of_an_augmented_sample_is_where_the_augmented_image_shows_it(landmark):
    """Flipped, deformed, and the references moved, in all combinations; colours stay, so that dots stay white."""
    count = 48
    points = drawn_points(0.0, 0.05, 0.1).repeat(count, 1, 1, 1) - 0.1
    points = points + 0.1 * torch.rand(count, 3, 1, 2, generator=generator())
    changes = draw_changes(points, SIDE, generator(landmark))
    changes |= {"colours": torch.ones(count, 3), "tints": torch.ones(count, 3), "lips": changes["lips"][:0]}
    images = dots(points[:, :, landmark])
    found, _, _, moved = augment(images, images.clone(), torch.zeros(count, 1, SIDE, SIDE), changes["points"], changes)
    expected = moved[:, :, landmark].clone()
    flipped = changes["flipped"]
    expected[flipped] = moved[flipped][:, :, MIRRORED[landmark]]
    assert pixels(centroids(found) - expected) < 0.5
    # Nothing of this is trivial: unchanged points would be off by pixels.
    unflipped = torch.ones(count, dtype=torch.bool).index_fill_(0, flipped, False)
    assert pixels((centroids(found) - points[:, :, landmark])[unflipped]) > 3
    assert 10 < len(flipped) < 38 and len(changes["deformed"]) and len(changes["moved"])


def test_points_of_unchanged_samples_stay_and_the_given_ones_are_not_overwritten():
    points = drawn_points(0.0, 0.1, 0.2).repeat(24, 1, 1, 1)
    changes = draw_changes(points, 32, generator())
    given_points = changes["points"].clone()
    images = torch.zeros(24, 3, 3, 32, 32)
    _, _, _, moved = augment(images, images.clone(), torch.zeros(24, 1, 32, 32), changes["points"], changes)
    assert torch.equal(changes["points"], given_points)
    still = torch.ones(24, dtype=torch.bool).index_fill_(0, changes["deformed"], False)
    assert torch.equal(moved[still, 0], given_points[still, 0]) and still.any()
    assert (moved[~still, 0] != given_points[~still, 0]).any(-1).all()
