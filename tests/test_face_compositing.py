"""Pasting a painted crop: exact outside the mask, without a seam at its rim, with the source's grain."""

import cv2
import numpy as np
import pytest
from factories import dummy_pose
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.face.affine import invert, resample, transform
from dd_tools.face.compositing import MAX_CORRECTION, paste
from dd_tools.face.geometry import steady_mask

MASK = steady_mask(dummy_pose(), 96)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def mask_in_source(crop_to_source: np.ndarray, height: int, width: int) -> np.ndarray:
    """Slow version: whether any crop pixel that a source pixel covers or lies between is in the mask."""
    y, x = np.mgrid[:height, :width]
    places = transform(np.stack([x, y], -1).astype(float), invert(crop_to_source))
    radius = 1 + int(0.5 / np.hypot(*crop_to_source[:, 0]))
    touched = np.zeros((height, width), bool)
    for dx in range(-radius, radius + 2):
        for dy in range(-radius, radius + 2):
            column, row = np.floor(places[..., 0]).astype(int) + dx, np.floor(places[..., 1]).astype(int) + dy
            inside = (column >= 0) & (column < 96) & (row >= 0) & (row < 96)
            touched[inside] |= MASK[row[inside], column[inside]] == 1
    return touched


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.4, 3), st.tuples(st.floats(-40, 200), st.floats(-40, 150)))
def test_pixels_outside_the_mask_keep_their_values(angle, scale, shift):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    crop_to_source = np.array([[c, -s, shift[0]], [s, c, shift[1]]])
    frame = noise(120, 160)
    before = frame.copy()
    result = paste(frame, 255 - noise(96, 96), noise(96, 96), MASK, crop_to_source)
    np.testing.assert_array_equal(frame, before)
    outside = ~mask_in_source(crop_to_source, 120, 160)
    np.testing.assert_array_equal(result[outside], frame[outside])


def test_deep_inside_the_mask_the_result_is_the_painting():
    frame = np.full((120, 160, 3), 90, np.uint8)
    known, painted = np.full((96, 96, 3), 90, np.uint8), np.full((96, 96, 3), 90, np.uint8)
    row, column = np.argwhere(MASK).mean(0).astype(int)
    middle = np.s_[row - 12 : row + 13, column - 12 : column + 13]
    painted[middle] = noise(25, 25) // 8
    result = paste(frame, painted, known, MASK, np.array([[1.0, 0, 30], [0, 1, 10]]))[10:106, 30:126]
    inner = np.s_[row - 8 : row + 9, column - 8 : column + 9]
    np.testing.assert_array_equal(result[inner], painted[inner])
    half = paste(frame, painted, known, MASK, np.array([[1.0, 0, 30], [0, 1, 10]]), opacity=0.5)[10:106, 30:126]
    np.testing.assert_allclose(half[inner], (painted[inner] + 90.0) / 2, atol=0.51)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 3.2])
def test_a_painting_that_equals_the_source_changes_nothing(scale):
    frame = noise(300, 400)
    c, s = scale * np.cos(0.2), scale * np.sin(0.2)
    crop_to_source = np.array([[c, -s, 80.3], [s, c, 20.7]])
    known = resample(frame, crop_to_source, (96, 96))
    np.testing.assert_array_equal(paste(frame, known, known, MASK, crop_to_source), frame)


def test_a_colour_shift_is_corrected_at_the_rim():
    frame = np.full((96, 96, 3), 120, np.uint8)
    painted = frame + np.array([12, 0, 6], np.uint8)
    result = paste(frame, painted, frame, MASK, np.eye(3)[:2]).astype(int)
    rim = (MASK > 0) & (cv2.erode(MASK, np.ones((15, 15), np.uint8)) == 0)
    assert np.abs(result[rim] - 120).max() <= 2
    assert np.abs(result - 120).max() < 12
    # Farther from the rim the correction fades, without a step.
    assert np.abs(np.diff(result[..., 0], axis=0)).max() <= 2


def gradient_energy(image: np.ndarray, where: np.ndarray) -> float:
    down, right = np.gradient(image.astype(float).mean(-1))
    return float(np.square(down[where]).mean() + np.square(right[where]).mean())


def test_the_sources_grain_is_restored_where_the_painting_shows_the_same():
    """A grainy frame at four times the crop's resolution, repainted without grain and with an open mouth."""
    y, x = np.mgrid[:500, :500]
    smooth = 120 + 30 * np.sin(x / 90) + 20 * np.cos(y / 70)
    frame = (smooth[..., None] + np.random.default_rng(1).normal(0, 6, (500, 500, 3))).astype(np.uint8)
    crop_to_source = np.array([[4.0, 0, 50], [0, 4, 50]])
    known = resample(frame, crop_to_source, (96, 96))
    painted = cv2.GaussianBlur(known, (0, 0), 1.5)
    row, column = np.argwhere(MASK).mean(0).astype(int)
    painted[row - 5 : row + 5, column - 10 : column + 10] = 10
    result = paste(frame, painted, known, MASK, crop_to_source)
    inside = cv2.warpAffine(cv2.erode(MASK, np.ones((5, 5), np.uint8)), crop_to_source, (500, 500)) > 0
    mouth = np.zeros_like(inside)
    mouth[4 * (row - 8) + 50 : 4 * (row + 8) + 50, 4 * (column - 13) + 50 : 4 * (column + 13) + 50] = True
    skin = inside & ~mouth
    assert 0.8 < gradient_energy(result, skin) / gradient_energy(frame, skin) < 1.05
    deep = np.s_[4 * (row - 2) + 50 : 4 * (row + 2) + 50, 4 * (column - 7) + 50 : 4 * (column + 7) + 50]
    assert result[deep].max() <= 14


def test_an_empty_mask_or_one_outside_the_frame_changes_nothing():
    frame, painted, known = noise(50, 60), noise(96, 96), 255 - noise(96, 96)
    np.testing.assert_array_equal(paste(frame, painted, known, MASK * 0, np.eye(3)[:2]), frame)
    far = np.array([[1.0, 0, 500], [0, 1, -900]])
    np.testing.assert_array_equal(paste(frame, painted, known, MASK, far), frame)
    np.testing.assert_array_equal(paste(frame, painted, known, MASK, np.eye(3)[:2], opacity=0), frame)


def test_the_blend_starts_at_zero_where_the_mask_reaches_the_crops_border_too():
    frame = np.zeros((96, 96, 3), np.uint8)
    painted, everywhere = np.full((96, 96, 3), 240, np.uint8), np.ones((96, 96), np.uint8)
    result = paste(frame, painted, frame, everywhere, np.eye(3)[:2])
    assert result[0].max() == result[:, 0].max() == result[-1].max() == result[:, -1].max() == 0
    assert (np.diff(result[48, :48, 0].astype(int)) >= 0).all()
    assert result[48, 48, 0] >= 240 - MAX_CORRECTION
