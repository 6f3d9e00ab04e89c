"""Affine maps between frame and crop, and images resampled through them.

One convention everywhere: coordinates are x, y in pixels and the centre of the first pixel is (0, 0), so an image that
is W pixels wide spans −0.5 … W − 0.5. An affine map is a float64 (2,3) matrix that is applied to (x, y, 1).
"""

import cv2
import numpy as np


def square_map(centre: np.ndarray, side: float, axes: np.ndarray, size: int) -> np.ndarray:
    """The map (2,3) from pixels of a `size` × `size` crop to pixels of the frame, for a square in the frame.

    centre: (2,) centre of the square, in frame pixels. side: length of its sides, in frame pixels. axes: (2,2) unit
    vectors of the crop's x and y as columns.
    """
    scale = side / size
    linear = axes * scale
    return np.column_stack([linear, centre - linear @ np.full(2, (size - 1) / 2)])


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply an affine map (2,3) to points (..., 2), or many maps (..., 2, 3) to one point (2,)."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., 2]


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The affine maps (..., 2, 3) that apply `inner` first, then `outer`."""
    shift = (outer[..., :2] @ inner[..., 2:])[..., 0] + outer[..., 2]
    return np.concatenate([outer[..., :2] @ inner[..., :2], shift[..., None]], -1)


def invert(matrix: np.ndarray) -> np.ndarray:
    """Invert an affine map (2,3)."""
    return cv2.invertAffineTransform(matrix)


def resample(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], interpolation: int = cv2.INTER_CUBIC
) -> np.ndarray:
    """Resample `image` (H,W,...) to `size` (width, height): output pixel p is `image` at `matrix` · p.

    matrix: (2,3), from output pixels to pixels of `image`; beyond its edges the edge pixels are repeated. If it shrinks
    the image, each output pixel is the mean of k × k samples (k: the reduction, rounded up), which prevents aliasing. A
    shift by whole pixels copies exactly. interpolation: OpenCV's constant.
    """
    width, height = size
    samples = max(1, int(np.ceil(np.hypot(*matrix[:, :2]).max() - 1e-6)))
    # Sample i of a pixel lies at ((i + ½) / k − ½) from its centre.
    fine = np.column_stack([matrix[:, :2] / samples, matrix[:, 2] + matrix[:, :2] @ np.full(2, (1 / samples - 1) / 2)])
    sampled = cv2.warpAffine(
        image, fine, (width * samples, height * samples), flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return sampled if samples == 1 else cv2.resize(sampled, (width, height), interpolation=cv2.INTER_AREA)
