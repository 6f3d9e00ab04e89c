"""Affine maps and resampling: one pixel-centre convention, exact copies, no aliasing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.face.affine import compose, invert, resample, square_map, transform

angles = st.floats(-3.1, 3.1)
points = st.tuples(st.floats(-50, 300), st.floats(-50, 300))


def rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def colour_at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colours (...,3) that are linear in x and y."""
    return np.stack([120 + 0.9 * x - 0.4 * y, 100 + 0.5 * y, 200 - 0.7 * x], -1)


def linear_image(size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return colour_at(x, y).astype(np.float32)


@settings(deadline=None)
@given(points, st.floats(10, 400), angles, st.integers(16, 300))
def test_square_map_takes_the_crops_edges_to_the_squares(centre, side, angle, size):
    axes = rotation(angle)
    matrix = square_map(np.array(centre), side, axes, size)
    edges = np.array([(-0.5, -0.5), (size - 0.5, -0.5), (size - 0.5, size - 0.5)])
    corners = np.array([(-1, -1), (1, -1), (1, 1)]) * side / 2
    np.testing.assert_allclose(transform(edges, matrix), corners @ axes.T + centre, atol=1e-6)


@settings(deadline=None)
@given(points, st.floats(0.1, 20), angles)
def test_invert_gives_the_inverse(centre, scale, angle):
    matrix = np.column_stack([scale * rotation(angle), centre])
    places = np.array([(0.0, 0.0), (17.5, -3.0), (250.0, 99.0)])
    np.testing.assert_allclose(transform(transform(places, matrix), invert(matrix)), places, atol=1e-6)


def test_one_point_through_many_maps():
    maps = np.array([[[1.0, 0, 2], [0, 1, 3]], [[0, -1.0, 0], [1, 0, 0]]])
    np.testing.assert_allclose(transform(np.array([5.0, 7.0]), maps), [(7, 10), (-7, 5)])


def test_compose_applies_the_inner_map_first():
    rotate, shift = np.array([[0, -1.0, 0], [1, 0, 0]]), np.array([[1.0, 0, 2], [0, 1, 3]])
    np.testing.assert_array_equal(compose(rotate, shift), [[0, -1, -3], [1, 0, 2]])
    np.testing.assert_array_equal(compose(np.stack([shift, rotate]), rotate)[0], [[0, -1, 2], [1, 0, 3]])


@pytest.mark.parametrize("shift", [(0, 0), (3, 5), (-4, 2)])
def test_whole_pixel_shifts_copy_exactly_and_replicate_the_edge(shift):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    out = resample(image, np.array([[1.0, 0, shift[0]], [0, 1, shift[1]]]), (30, 20))
    rows = np.clip(np.arange(20) + shift[1], 0, 19)
    columns = np.clip(np.arange(30) + shift[0], 0, 29)
    np.testing.assert_array_equal(out, image[np.ix_(rows, columns)])


@settings(deadline=None)
@given(angles, st.floats(0.3, 5.5))
def test_resampling_has_no_half_pixel_shift(angle, scale):
    """Averaging does not change a linear image, so any shift would show."""
    matrix = square_map(np.array([100.3, 99.1]), 16 * scale, rotation(angle), 16)
    out = resample(linear_image(200), matrix, (16, 16))
    y, x = np.mgrid[:16, :16]
    places = transform(np.stack([x, y], -1).astype(float), matrix)
    np.testing.assert_allclose(out, colour_at(*np.moveaxis(places, -1, 0)), atol=0.1)  # OpenCV's 1/32 px


@pytest.mark.parametrize("factor", [2, 3, 4, 7.5])
@pytest.mark.parametrize("angle", [0, 0.3])
def test_fine_patterns_become_grey(factor, angle):
    y, x = np.mgrid[:240, :240]
    checks = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, -1)
    out = resample(checks, square_map(np.array([119.5, 119.5]), 20 * factor, rotation(angle), 20), (20, 20))
    assert np.ptp(out.astype(int)) < 60
    assert abs(out.mean() - 127.5) < 3


def test_a_map_can_shrink_one_axis_only():
    matrix = np.array([[1.0, 0, 0], [0, 4.0, 1.5]])
    out = resample(linear_image(64), matrix, (64, 16))
    np.testing.assert_allclose(out, linear_image(64).reshape(16, 4, 64, 3).mean(1), atol=0.05)
