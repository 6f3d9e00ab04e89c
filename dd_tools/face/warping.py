"""Affine maps between picture and crop, and pictures resampled through them.

One convention everywhere: coordinates are x, y in pixels, and the centre of the first pixel is (0, 0), so a picture W
pixels wide covers −0.5 … W − 0.5. An affine map is float64 (2,3) and takes (x, y, 1).
"""

import cv2
import numpy as np


def square_map(centre: np.ndarray, side: float, axes: np.ndarray, size: int) -> np.ndarray:
    """Map (2,3) from the pixels of a `size` × `size` crop to the picture's, where the crop is a square there.

    centre (2,) and side: the square in picture pixels. axes (2,2): unit vectors of the crop's x and y as columns.
    """
    scale = side / size
    linear = axes * scale
    return np.column_stack([linear, centre - linear @ np.full(2, (size - 1) / 2)])


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (..., 2) through an affine map (2,3), or one point (2,) through many (..., 2, 3)."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., 2]


def inverted(matrix: np.ndarray) -> np.ndarray:
    """The affine map (2,3) that undoes `matrix`."""
    return cv2.invertAffineTransform(matrix)


def resample(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], interpolation: int = cv2.INTER_CUBIC
) -> np.ndarray:
    """The picture of `size` (width, height) whose pixel p shows `image` at `matrix` · p; its rim goes on beyond it.

    Where pixels are shrunk, k × k samples are taken in each and averaged (k: the shrinkage rounded up), so that nothing
    aliases; a map by whole pixels copies exactly.
    """
    width, height = size
    samples = max(1, int(np.ceil(np.hypot(*matrix[:, :2]).max() - 1e-6)))
    # Sample i of a pixel lies at ((i + ½) / k − ½) from its centre.
    fine = np.column_stack([matrix[:, :2] / samples, matrix[:, 2] + matrix[:, :2] @ np.full(2, (1 / samples - 1) / 2)])
    picture = cv2.warpAffine(
        image, fine, (width * samples, height * samples), flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return picture if samples == 1 else cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
