"""A painted crop back into its picture, so that neither an edge nor a change of colour or sharpness shows.

Three things are done to the painted part on its way. Its colours are moved to the source's where the two meet. The
detail that a small crop cannot hold, grain of the skin and of the camera, is put back from the source wherever the
painting shows the same thing there. And its edge is blended over a feather inside the mask.
"""

import cv2
import numpy as np

from dd_tools.face.warping import inverted, resample, transform
from dd_tools.media.video import LEVEL_16_BIT

# Shares of the crop's side.
FEATHER = 1 / 24  # width of the blend inside the mask's edge
RIM = 1 / 12  # width of the band inside the mask's edge where colours are compared
SPREAD = 1 / 8  # how far the correction found there reaches

LARGEST_CORRECTION = 24.0  # grey levels: more than that is another thing, not another colour
SAME = 12.0  # grey levels between painting and source at which they begin to show different things


def paste(
    source_frame: np.ndarray,
    painted: np.ndarray,
    known: np.ndarray,
    mask: np.ndarray,
    crop_to_source: np.ndarray,
    share: float = 1.0,
) -> np.ndarray:
    """`source_frame` uint8 or uint16 (H,W,3) with the masked part of `painted` uint8 (S,S,3) in it; a new array.

    known uint8 (S,S,3): the crop as cut from the source; mask uint8 (S,S), 1 = painted; crop_to_source (2,3) maps crop
    pixels to source pixels. The blend rises from 0 at the mask's edge to `share`, 1 for all of it. Every pixel outside
    the mask, and all of them for an empty mask, keep their exact value; so do all where the painting is what was known.
    """
    picture = source_frame.copy()
    level = LEVEL_16_BIT if picture.itemsize > 1 else 1  # what a grey level of the crop is in the source
    if not mask.any() or share <= 0:
        return picture
    left, top, right, bottom = _box_in_source(mask, crop_to_source, source_frame.shape)
    if left >= right or top >= bottom:
        return picture
    # From pixels of the box to pixels of the crop.
    source_to_crop = inverted(crop_to_source)
    source_to_crop[:, 2] = transform(np.array([left, top], np.float64), source_to_crop)
    size = (right - left, bottom - top)
    change = painted.astype(np.float32) - known
    depth = _depth(mask)
    change += _colour_correction(change, depth)
    blend = resample(share * _feathered(depth), source_to_crop, size, cv2.INTER_LINEAR)[..., None]
    same = resample(_sameness(change), source_to_crop, size, cv2.INTER_LINEAR)[..., None]
    target = picture[top:bottom, left:right]
    detail = target - level * resample(known.astype(np.float32), source_to_crop, size)
    blended = target + blend * (level * resample(change, source_to_crop, size) - (1 - same) * detail)
    target[:] = np.where(blend > 0, np.clip(np.rint(blended), 0, np.iinfo(picture.dtype).max), target)
    return picture


def _colour_correction(change: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """What to add to a painting that differs from its source by `change` (S,S,3) so that their colours meet at the rim.

    float32 (S,S,3): the mean difference along the mask's rim nearby, fading towards the middle.
    """
    rim = ((depth > 0) & (depth <= RIM * len(depth))).astype(np.float32)[..., None]
    sigma = SPREAD * len(depth)
    there = cv2.GaussianBlur(
        np.dstack([-change.clip(-LARGEST_CORRECTION, LARGEST_CORRECTION) * rim, rim]), (0, 0), sigma
    )
    return there[..., :3] / np.maximum(there[..., 3:], there[..., 3:].max() / 4 + 1e-6)


def _sameness(change: np.ndarray) -> np.ndarray:
    """float32 (S,S): 1 where the painting shows what the source shows, 0 where it shows something else."""
    distance = cv2.GaussianBlur(np.abs(change).mean(-1), (0, 0), len(change) / 96)
    return np.exp(-np.square(distance / SAME))


def _feathered(depth: np.ndarray) -> np.ndarray:
    """float32 (S,S): 0 outside the mask, rising over the feather's width to 1 inside it."""
    return np.clip((depth - 1) / (FEATHER * len(depth)), 0, 1).astype(np.float32)


def _depth(mask: np.ndarray) -> np.ndarray:
    """float32 (S,S): how many pixels inside the mask. The crop's own rim is an edge too: nothing is painted beyond."""
    return cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def _box_in_source(mask: np.ndarray, crop_to_source: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (exclusive) of the mask in source pixels, inside the picture."""
    x, y, width, height = cv2.boundingRect(mask)
    corners = np.array([(x, y), (x + width - 1, y), (x, y + height - 1), (x + width - 1, y + height - 1)], np.float64)
    there = transform(corners, crop_to_source)
    low = np.maximum(np.floor(there.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(there.max(0)).astype(int) + 1, (shape[1], shape[0]))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
