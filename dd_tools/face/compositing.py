"""Paste a painted crop into its frame without a visible edge or a change of colour or sharpness.

Three steps. Colours are shifted so that the painted and the source crop agree along the mask's rim. Detail that is too
fine for the crop's resolution, such as skin texture and camera grain, is restored from the source wherever the two
crops look the same. The edge is feathered inside the mask. Where the painted crop equals the source crop, every pixel
keeps its exact value.
"""

import cv2
import numpy as np

from dd_tools.face.affine import invert, resample, transform
from dd_tools.media.video import LEVEL_16_BIT

# Shares of the crop's side.
FEATHER = 1 / 24  # width of the blend inside the mask's edge
RIM = 1 / 12  # width of the band inside the mask's edge in which colours are compared
CORRECTION_SIGMA = 1 / 8  # standard deviation of the Gaussian that spreads the colour correction
SIMILARITY_SIGMA = 1 / 96  # standard deviation of the Gaussian that smooths the difference of the crops

SPREAD_SIZE = 48  # pixels, side of the image in which the correction is spread

MAX_CORRECTION = 24.0  # grey levels; larger differences are not colour shifts but different content
DIFFERENCE_SCALE = 12.0  # grey levels of difference at which similarity falls to 1 / e


def paste(
    source_frame: np.ndarray,
    painted: np.ndarray,
    source_crop: np.ndarray,
    mask: np.ndarray,
    crop_to_source: np.ndarray,
    opacity: float = 1.0,
) -> np.ndarray:
    """A copy of `source_frame`, uint8 or uint16 (H,W,3), with the masked part of `painted` pasted in.

    painted: uint8 (S,S,3), the crop as the renderer paints it. source_crop: uint8 (S,S,3), the crop as cut from the
    source. mask: uint8 (S,S), 1 = repaint. crop_to_source: (2,3), from crop to frame pixels. opacity: 0 … 1, reached at
    the inner end of the feather. Pixels outside the mask keep their exact value.
    """
    result = source_frame.copy()
    scale = LEVEL_16_BIT if result.itemsize > 1 else 1  # one grey level of the crop, in levels of the frame
    if not mask.any() or opacity <= 0:
        return result
    left, top, right, bottom = _box_in_frame(mask, crop_to_source, source_frame.shape)
    if left >= right or top >= bottom:
        return result
    box_to_crop = invert(crop_to_source)
    box_to_crop[:, 2] = transform(np.array([left, top], np.float64), box_to_crop)
    size = (right - left, bottom - top)
    depth = _depth(mask)
    change = painted.astype(np.float32) - source_crop
    change += _colour_correction(change, depth)
    blend = resample(opacity * _feather(depth), box_to_crop, size, cv2.INTER_LINEAR)[..., None]
    similarity = resample(_similarity(change), box_to_crop, size, cv2.INTER_LINEAR)[..., None]
    target = result[top:bottom, left:right]
    # In place, as these arrays are large: target + blend · (change − (1 − similarity) · detail). Where blend is 0, that
    # is the target exactly.
    blended = resample(source_crop.astype(np.float32), box_to_crop, size)
    blended *= -scale
    blended += target  # the detail
    blended *= similarity - 1
    change = resample(change, box_to_crop, size)
    change *= scale
    blended += change
    blended *= blend
    blended += target
    np.rint(blended, out=blended)
    target[:] = np.clip(blended, 0, np.iinfo(result.dtype).max, out=blended)
    return result


def _colour_correction(change: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """The correction to add to `change` = painted − source (S,S,3) to match colours at the rim, float32 (S,S,3).

    It is the mean of −`change` over the nearby rim, and fades towards the middle of the mask.
    """
    size = len(depth)
    rim = ((depth > 0) & (depth <= RIM * size)).astype(np.float32)[..., None]
    difference = -change.clip(-MAX_CORRECTION, MAX_CORRECTION) * rim
    # The result varies slowly, so the Gaussian takes a small image, in a twentieth of the time.
    small = cv2.resize(np.dstack([difference, rim]), (SPREAD_SIZE, SPREAD_SIZE), interpolation=cv2.INTER_AREA)
    spread = cv2.GaussianBlur(small, (0, 0), CORRECTION_SIGMA * SPREAD_SIZE)
    correction = spread[..., :3] / np.maximum(spread[..., 3:], spread[..., 3:].max() / 4 + 1e-6)
    return cv2.resize(correction, (size, size), interpolation=cv2.INTER_LINEAR)


def _similarity(change: np.ndarray) -> np.ndarray:
    """Similarity of the painted and the source crop, float32 (S,S): 1 if equal, towards 0 the more they differ."""
    difference = cv2.GaussianBlur(np.abs(change).mean(-1), (0, 0), SIMILARITY_SIGMA * len(change))
    return np.exp(-np.square(difference / DIFFERENCE_SCALE))


def _feather(depth: np.ndarray) -> np.ndarray:
    """Blend weights, float32 (S,S): 0 outside the mask, rising to 1 over the feather's width inside it."""
    return np.clip((depth - 1) / (FEATHER * len(depth)), 0, 1).astype(np.float32)


def _depth(mask: np.ndarray) -> np.ndarray:
    """Distance to the mask's edge in pixels, float32 (S,S), 0 outside. The crop's border counts as an edge."""
    return cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def _box_in_frame(mask: np.ndarray, crop_to_source: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (exclusive) of the mask in frame pixels, clipped to a frame of `shape` (H,W,...)."""
    x, y, width, height = cv2.boundingRect(mask)
    corners = np.array([(x, y), (x + width - 1, y), (x, y + height - 1), (x + width - 1, y + height - 1)], np.float64)
    corners = transform(corners, crop_to_source)
    low = np.maximum(np.floor(corners.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, (shape[1], shape[0]))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
