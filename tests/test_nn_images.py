"""Frames and images: bytes outside the networks, −1 to 1 inside."""

import numpy as np
import torch

from dd_tools.nn.images import composite, to_frames, to_images, to_masks


def test_every_byte_survives_and_the_ends_are_minus_one_and_one():
    frames = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    images = to_images(frames)
    assert images.shape == (1, 3, 16, 16) and images.dtype == torch.float32
    assert (images.min(), images.max()) == (-1, 1)
    np.testing.assert_array_equal(to_frames(images), frames)


def test_channels_rows_and_columns_keep_their_places():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    frames[1, 2, 3] = 255, 0, 51
    red, green, blue = to_images(frames)[1]
    assert (red[2, 3], green[2, 3]) == (1, -1)
    assert abs(blue[2, 3] + 0.6) < 1e-6
    assert (red.sum(), blue.sum()) == (-14, -15 + blue[2, 3])


def test_values_beyond_the_range_are_clipped_and_others_rounded():
    values = torch.tensor([-1.5, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 1.5])
    frames = to_frames(values.reshape(1, 1, 2, 2).expand(1, 3, 2, 2))
    assert frames[0, ..., 0].tolist() == [[0, 0], [1, 255]]


def test_a_composite_is_painted_inside_the_mask_and_exact_outside():
    mask = to_masks(np.array([[[1, 0], [0, 1]]], np.uint8))
    painted, known = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), -0.3)
    painted[..., 0, 1] = float("nan")
    expected = [[0.5, -0.3], [-0.3, 0.5]]
    torch.testing.assert_close(composite(painted, known, mask)[0, 1], torch.tensor(expected))
