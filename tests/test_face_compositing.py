"""Pasting a painted crop back: exact outside the mask, exact inside it, and back to where it was cut."""

import numpy as np
import pytest
from factories import dummy_pose
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.face.compositing import FEATHER, paste
from dd_tools.face.geometry import steady_mask
from dd_tools.face.warping import inverted, resample, transform

MASK = steady_mask(dummy_pose(), 96)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


def mask_in_source(crop_to_source: np.ndarray, height: int, width: int) -> np.ndarray:
    """Slowly: for each source pixel whether any crop pixel it covers or lies between is in the mask."""
    y, x = np.mgrid[:height, :width]
    there = transform(np.stack([x, y], -1).astype(float), inverted(crop_to_source))
    reach = 1 + int(0.5 / np.hypot(*crop_to_source[:, 0]))
    touched = np.zeros((height, width), bool)
    for dx in range(-reach, reach + 2):
        for dy in range(-reach, reach + 2):
            column, row = np.floor(there[..., 0]).astype(int) + dx, np.floor(there[..., 1]).astype(int) + dy
            inside = (column >= 0) & (column < 96) & (row >= 0) & (row < 96)
            touched[inside] |= MASK[row[inside], column[inside]] == 1
    return touched


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.4, 3), st.tuples(st.floats(-40, 200), st.floats(-40, 150)))
def test_pixels_outside_the_mask_keep_their_bits(angle, scale, shift):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    crop_to_source = np.array([[c, -s, shift[0]], [s, c, shift[1]]])
    frame = noise(120, 160)
    before = frame.copy()
    result = paste(frame, 255 - noise(96, 96), MASK, crop_to_source)
    np.testing.assert_array_equal(frame, before)
    outside = ~mask_in_source(crop_to_source, 120, 160)
    np.testing.assert_array_equal(result[outside], frame[outside])


def test_deep_inside_the_mask_it_is_the_crop():
    frame, crop = noise(120, 160), noise(96, 96)[::-1].copy()
    result = paste(frame, crop, MASK, np.array([[1.0, 0, 30], [0, 1, 10]]))[10:106, 30:126]
    row, column = np.argwhere(MASK).mean(0).astype(int)
    reach = 10
    middle = np.s_[row - reach : row + reach, column - reach : column + reach]
    np.testing.assert_array_equal(result[middle], crop[middle])
    blended = (result != crop).any(-1) & (MASK == 1)
    assert 0 < blended.sum() < 2 * np.pi * 40 * (96 * FEATHER + 2)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 3.2])
def test_what_was_cut_goes_back_to_its_place(scale):
    y, x = np.mgrid[:300, :400]
    frame = np.stack([60 + x / 4, 200 - y / 3, 128 + 60 * np.sin(x / 40) * np.cos(y / 40)], -1).astype(np.uint8)
    c, s = scale * np.cos(0.2), scale * np.sin(0.2)
    crop_to_source = np.array([[c, -s, 80.3], [s, c, 20.7]])
    result = paste(frame, resample(frame, crop_to_source, (96, 96)), MASK, crop_to_source)
    assert np.abs(result.astype(int) - frame).max() <= 3


def test_an_empty_mask_or_one_outside_the_picture_changes_nothing():
    frame = noise(50, 60)
    np.testing.assert_array_equal(paste(frame, noise(96, 96), MASK * 0, np.eye(3)[:2]), frame)
    np.testing.assert_array_equal(paste(frame, noise(96, 96), MASK, np.array([[1.0, 0, 500], [0, 1, -900]])), frame)


def test_the_blend_begins_at_nothing_even_where_the_mask_meets_the_crops_rim():
    frame = np.zeros((96, 96, 3), np.uint8)
    crop, everywhere = np.full((96, 96, 3), 240, np.uint8), np.ones((96, 96), np.uint8)
    result = paste(frame, crop, everywhere, np.eye(3)[:2])
    assert result[0].max() == result[:, 0].max() == result[-1].max() == result[:, -1].max() == 0
    assert (np.diff(result[48, :48, 0].astype(int)) >= 0).all()
    assert result[48, 48, 0] == 240
