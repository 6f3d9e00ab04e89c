"""Changes of many images at once are those that torchvision and OpenCV make of each."""

import math

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from dd_tools.training.image_changes import (
    blend,
    blur,
    change_rows,
    gaussian_weights,
    luma,
    mirror,
    sample_black,
    scale_colours,
    shift_scale_rotate,
    turn_hue,
)


def random_images(count: int = 6, side: int = 24, channels: int = 3) -> torch.Tensor:
    """Smooth images from 0 to 1 with pixels of every hue, two of which are grey and black."""
    noise = torch.rand(count, channels, side // 4, side // 4, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.interpolate(noise, size=(side, side), mode="bilinear")
    images[:1, :, :4], images[1:2, :, :4] = 0.5, 0
    return images


def each(function, images, *amounts) -> torch.Tensor:
    """The images changed one by one."""
    return torch.stack([function(image, *values) for image, *values in zip(images, *amounts, strict=True)])


def test_colours_are_scaled_as_torchvision_scales_them():
    images, factors = random_images(), torch.tensor([[0.6, 1, 1], [1.5, 1, 1], [1, 0.5, 1], [1, 1.7, 1], [1, 1, 0.4]])
    factors = torch.cat([factors, torch.tensor([[1.3, 0.8, 1.6]])])
    expected = images
    for adjust, column in zip((F.adjust_brightness, F.adjust_contrast, F.adjust_saturation), factors.T, strict=True):
        expected = each(adjust, expected, column.tolist())
    torch.testing.assert_close(scale_colours(images, factors), expected, atol=2e-6, rtol=0)


def test_hues_are_turned_as_torchvision_turns_them():
    images, turns = random_images(), torch.tensor([0.1, -0.2, 0.5, -0.01, 0.2, 0.0])
    expected = each(F.adjust_hue, images, turns.tolist())
    torch.testing.assert_close(turn_hue(images, turns), expected, atol=2e-5, rtol=0)


def test_hues_of_pure_colours_are_turned_by_thirds():
    """Red becomes green, green becomes blue, blue becomes red; cyan becomes magenta."""
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.7, 0.7]])
    turned = turn_hue(colours[:, :, None, None], torch.full((4,), 1 / 3))[:, :, 0, 0]
    expected = torch.tensor([[0, 1.0, 0], [0, 0, 1], [1, 0, 0], [0.7, 0, 0.7]])
    torch.testing.assert_close(turned, expected, atol=1e-5, rtol=0)


def test_a_factor_of_one_changes_nothing():
    images = random_images()
    assert torch.equal(blend(images, luma(images), torch.ones(6)), images)


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_each_image_is_blurred_with_its_own_gaussian(radius):
    images, sigma = random_images(), torch.tensor([0.5, 0.8, 1.0, 1.2, 1.5, 3.0])
    size = [2 * radius + 1] * 2
    expected = each(lambda image, s: F.gaussian_blur(image, size, [s, s]), images, sigma.tolist())
    torch.testing.assert_close(blur(images, gaussian_weights(sigma, radius)), expected, atol=2e-6, rtol=0)


def test_a_blur_may_be_anything_but_even():
    """As OpenCV's separable filter, whose weights need not be symmetric."""
    images, weights = random_images(2), torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.0, 0.9]])
    for image, row, blurred in zip(images, weights.numpy(), blur(images, weights), strict=True):
        expected = cv2.sepFilter2D(image.permute(1, 2, 0).numpy(), -1, row, row, borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(blurred.permute(1, 2, 0), expected, atol=1e-6)


def test_images_are_shifted_scaled_and_rotated_as_by_torchvision():
    """Of images from 0 to 1, as torchvision blends edges with the colour outside twice unless that is 0."""
    images, side = random_images(), 24
    shift = torch.tensor([[0, 0], [0.1, 0], [0, -0.1], [0.05, 0.2], [0, 0], [-0.07, 0.11]])
    scale, degrees = torch.tensor([1, 1, 1, 1.1, 0.8, 0.9]), torch.tensor([30.0, 0, 0, 0, 0, -20])
    expected = each(
        lambda image, moved, size, angle: F.affine(
            image, angle, [side * x for x in moved], size, [0.0], F.InterpolationMode.BILINEAR
        ),
        images, shift.tolist(), scale.tolist(), degrees.tolist(),
    )  # fmt: skip
    moved = sample_black(images * 2 - 1, shift_scale_rotate(shift, scale, torch.deg2rad(degrees)))
    torch.testing.assert_close(moved, expected * 2 - 1, atol=1e-4, rtol=0)


def test_images_are_moved_as_by_opencv():
    image, side = random_images(1)[0] * 2 - 1, 24
    maps = shift_scale_rotate(torch.tensor([[0.1, 0.2]]), torch.tensor([1.1]), torch.tensor([math.radians(20)]))
    # OpenCV's angle is counter-clockwise; pixel centres are at whole numbers.
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2,) * 2, -20, 1.1)
    matrix[:, 2] += 0.1 * side, 0.2 * side
    expected = cv2.warpAffine(image.permute(1, 2, 0).numpy(), matrix, (side, side), borderValue=(-1.0, -1.0, -1.0))
    moved = sample_black(image[None], maps)[0].permute(1, 2, 0)
    np.testing.assert_allclose(moved, expected, atol=0.06)  # OpenCV rounds positions to a 32nd of a pixel
    assert abs(moved.numpy() - expected).mean() < 0.005


def test_only_the_rows_that_are_named_change():
    images = random_images(5)
    changed = change_rows(images.clone(), torch.tensor([1, 4]), lambda two, add: two + add[:, None, None, None],
                          torch.tensor([1.0, 2.0]))  # fmt: skip
    expected = images + torch.tensor([0, 1.0, 0, 0, 2])[:, None, None, None]
    assert torch.equal(changed, expected)
    none = torch.zeros(0, dtype=torch.int64)
    assert torch.equal(change_rows(images.clone(), none, mirror), images)


def test_mirror_images_have_left_and_right_exchanged():
    image = random_images(1)
    np.testing.assert_array_equal(mirror(image)[0].permute(1, 2, 0), cv2.flip(image[0].permute(1, 2, 0).numpy(), 1))
