"""Alignment of references by landmarks: scipy's thin-plate spline and scikit-image's similarity as oracles."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator
from skimage.transform import SimilarityTransform, estimate_transform
from tiny_warp import drawn_points

from dd_tools.face.landmarks import CHIN, MOUTH_REGION
from dd_tools.warp.alignment import (
    BORDER,
    HEAD_COUNT,
    HEAD_POINTS,
    STIFFNESS,
    alignment,
    alignment_points,
    similarity,
)
from dd_tools.warp.flow import warp

CELLS, SIDE = 24, 96
SEEDS = st.integers(0, 2**31)


def noisy(seed: int, count: int, amount: float = 0.05) -> torch.Tensor:
    """Points (count, 46, 2) of a drawn face, each moved at random."""
    noise = np.random.default_rng(seed).normal(scale=amount, size=(count, 46, 2))
    return drawn_points(0.2) + torch.from_numpy(noise).float()


def centres(count: int) -> np.ndarray:
    """The centres (count, count, 2) of cells or pixels, x and y from −1 to 1."""
    line = (np.arange(count) + 0.5) * 2 / count - 1
    return np.stack(np.meshgrid(line, line), -1)


def shifts(flow: torch.Tensor) -> np.ndarray:
    """A flow (2, h, h) as shifts (h, h, 2) from −1 to 1 across the image."""
    return flow.permute(1, 2, 0).numpy() * 2 / flow.shape[-1]


def test_the_points_are_those_of_the_head_then_chin_and_lips():
    face = np.arange(68 * 2, dtype=float).reshape(1, 68, 2)
    (found,) = alignment_points(face, 64)
    np.testing.assert_allclose(found, (face[0, [*HEAD_POINTS, *MOUTH_REGION]] + 0.5) / 32 - 1)
    assert len(found) == 46 and HEAD_COUNT == 21


@given(SEEDS)
@settings(deadline=None, max_examples=20)
def test_a_reference_that_has_the_landmarks_already_is_left_alone(seed):
    target = noisy(seed, 1)
    flow = alignment(target, target[:, None].expand(1, 3, 46, 2), CELLS)
    assert flow.shape == (1, 3, 2, CELLS, CELLS)
    torch.testing.assert_close(flow, torch.zeros_like(flow), atol=1e-4, rtol=0)


@given(SEEDS, st.floats(0.7, 1.4), st.floats(-0.6, 0.6), st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
@settings(deadline=None, max_examples=40)
def test_if_all_landmarks_move_by_a_similarity_so_does_all_of_the_image(seed, scale, angle, right, down):
    """Up to the border, and whatever the mouth does."""
    target, motion = noisy(seed, 1), SimilarityTransform(scale=scale, rotation=angle, translation=(right, down))
    reference = torch.from_numpy(motion(target[0].numpy())).float()
    found = shifts(alignment(target, reference[None, None], CELLS)[0, 0])
    places = centres(CELLS)
    expected = motion(places.reshape(-1, 2)).reshape(places.shape) - places
    np.testing.assert_allclose(found, expected, atol=2e-4)


@given(SEEDS)
@settings(deadline=None, max_examples=20)
def test_a_similarity_is_that_of_scikit_image(seed):
    source, target = noisy(seed, 2, 0.3).double()
    expected = estimate_transform("similarity", source.numpy(), target.numpy())
    elsewhere = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 1, (5, 2)))
    np.testing.assert_allclose(similarity(source, target, elsewhere), expected(elsewhere.numpy()), atol=1e-6)


@given(SEEDS)
@settings(deadline=None, max_examples=20)
def test_the_flow_is_scipys_thin_plate_spline(seed):
    """Its kernel is r² log r too, and its smoothing is added to the diagonal. The border moves with the head."""
    target, *references = noisy(seed, 3).double()
    found = alignment(target[None], torch.stack(references)[None], CELLS)[0]
    border = np.array(BORDER)
    for flow, reference in zip(found, references, strict=True):
        head = estimate_transform("similarity", target[:HEAD_COUNT].numpy(), reference[:HEAD_COUNT].numpy())
        places, moved = np.concatenate([target, border]), np.concatenate([reference, head(border)])
        expected = RBFInterpolator(places, moved - places, kernel="thin_plate_spline", smoothing=STIFFNESS, degree=1)
        np.testing.assert_allclose(
            shifts(flow), expected(centres(CELLS).reshape(-1, 2)).reshape(CELLS, CELLS, 2), atol=2e-4
        )


def bent(points: torch.Tensor) -> torch.Tensor:
    """Points of a face that is bent smoothly, by up to an eighth of half the crop."""
    x, y = points.unbind(-1)
    return points + torch.stack([0.12 * (3 * y).sin(), 0.15 * (2 * x + y).cos() - 0.07], -1)


def test_what_is_at_a_landmark_of_the_reference_comes_to_that_of_the_target():
    """A dot at every landmark in turn: its centroid is a fraction of a pixel off. Some move by six pixels."""
    target = drawn_points(0.2)
    reference, places = bent(target), torch.from_numpy(centres(SIDE)).float()
    flow = alignment(target, reference[:, None], SIDE // 2)[:, 0]
    assert 5 < (reference - target).norm(dim=-1).max() * SIDE / 2 < 7
    for before, after in zip(reference[0], target[0], strict=True):
        dot = (-(places - before).square().sum(-1) * (SIDE / 2 / 1.5) ** 2 / 2).exp()
        moved = warp(dot[None, None], flow)[0, 0]
        centroid = (moved[..., None] * places).sum((0, 1)) / moved.sum()
        assert (centroid - after).norm() * SIDE / 2 < 0.5


@pytest.mark.parametrize(("wanted", "shown"), [(0.3, 0.15), (0.15, 0.3), (0.3, 0.1)])
def test_the_lips_open_as_far_as_the_target_does(wanted, shown):
    """At the middle of upper and lower lip and at the chin, the flow is how far the reference has them elsewhere."""
    target, reference = drawn_points(wanted), drawn_points(shown)
    flow = alignment(target, reference[:, None], SIDE // 2)[:, 0]
    points = [HEAD_COUNT + MOUTH_REGION.index(point) for point in (51, 57, CHIN)]
    found = torch.nn.functional.grid_sample(flow, target[:, None, points], align_corners=False)[0, :, 0].T
    torch.testing.assert_close(found * 2, (reference - target)[0, points] * SIDE / 2, atol=0.3, rtol=0)  # pixels


def test_every_reference_of_a_batch_is_aligned_on_its_own():
    target, references = noisy(0, 3), noisy(1, 6).view(3, 2, 46, 2)
    together = alignment(target, references, CELLS)
    for row in range(3):
        for column in range(2):
            alone = alignment(target[[row]], references[[row], column, None], CELLS)[0, 0]
            torch.testing.assert_close(together[row, column], alone, atol=1e-4, rtol=0)


def test_the_precision_of_the_rest_does_not_matter():
    target, references = noisy(0, 2), noisy(1, 4).view(2, 2, 46, 2)
    expected = alignment(target, references, CELLS)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(alignment(target, references, CELLS), expected)
    double = alignment(target.double(), references.double(), CELLS)
    assert double.dtype == torch.float32 and torch.equal(double, expected)


def test_lips_that_touch_give_a_moderate_flow():
    """Landmarks that coincide where the reference has them apart: nothing is fetched from beyond their motion."""
    closed, opened = drawn_points(0.0), drawn_points(0.3)
    lower, upper = ([HEAD_COUNT + MOUTH_REGION.index(point) for point in lip] for lip in ((67, 66, 65), (61, 62, 63)))
    closed[:, lower] = closed[:, upper]
    most = (opened - closed).norm(dim=-1).max() * CELLS / 2
    for target, reference in ((closed, opened), (opened, closed)):
        assert alignment(target, reference[:, None], CELLS).norm(dim=2).max() < 1.6 * most
