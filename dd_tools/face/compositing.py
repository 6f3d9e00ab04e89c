"""A painted crop back into its picture."""

import cv2
import numpy as np

from dd_tools.face.warping import inverted, resample, transform

FEATHER = 1 / 24  # width of the blend inside the mask's edge, as a share of the crop's side


def paste(source_frame: np.ndarray, crop: np.ndarray, mask: np.ndarray, crop_to_source: np.ndarray) -> np.ndarray:
    """`source_frame` uint8 (H,W,3) with the masked part of `crop` uint8 (S,S,3) in it; a new array.

    mask uint8 (S,S), 1 = painted; crop_to_source (2,3) maps crop pixels to source pixels. The blend rises from 0 at the
    mask's edge to 1 inside it; every pixel outside the mask, and all of them for an empty mask, keep their exact value.
    """
    picture = source_frame.copy()
    if not mask.any():
        return picture
    left, top, right, bottom = _box_in_source(mask, crop_to_source, source_frame.shape)
    if left >= right or top >= bottom:
        return picture
    # From pixels of the box to pixels of the crop.
    source_to_crop = inverted(crop_to_source)
    source_to_crop[:, 2] = transform(np.array([left, top], np.float64), source_to_crop)
    size = (right - left, bottom - top)
    painted = resample(crop, source_to_crop, size)
    share = resample(_feathered(mask), source_to_crop, size, cv2.INTER_LINEAR)[..., None]
    target = picture[top:bottom, left:right]
    blended = np.rint(target + share * (painted.astype(np.float32) - target))
    target[:] = np.where(share > 0, blended, target)
    return picture


def _feathered(mask: np.ndarray) -> np.ndarray:
    """float32 (S,S): 0 outside the mask, rising over the feather's width to 1 inside it."""
    width = FEATHER * mask.shape[0]
    # The crop's own rim counts as an edge too: what lies beyond it was not painted.
    inside = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.clip((inside - 1) / width, 0, 1).astype(np.float32)


def _box_in_source(mask: np.ndarray, crop_to_source: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (exclusive) of the mask in source pixels, inside the picture."""
    x, y, width, height = cv2.boundingRect(mask)
    corners = np.array([(x, y), (x + width - 1, y), (x, y + height - 1), (x + width - 1, y + height - 1)], np.float64)
    there = transform(corners, crop_to_source)
    low = np.maximum(np.floor(there.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(there.max(0)).astype(int) + 1, (shape[1], shape[0]))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
