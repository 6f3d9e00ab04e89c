"""Sharpness of an area by its gradient, the focus measure of Tenenbaum (compared by Pertuz et al. 2013)."""

import math

import cv2
import numpy as np

SETTINGS = "rms-gradient-ratio,central-differences,luma-bt601"


def rms_gradient(pixels: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Root mean square of the gradient of luma in grey levels per pixel, of uint8 (H,W,3) RGB, at least 2 × 2 pixels.

    inside: the pixels that count, bool (H,W), at least one; None for all.
    """
    down, right = np.gradient(cv2.cvtColor(np.float32(pixels), cv2.COLOR_RGB2GRAY))
    squares = down**2 + right**2
    return math.sqrt(np.mean(squares if inside is None else squares[inside]))


def ratio_of_means(generated: np.ndarray, truth: np.ndarray) -> float:
    """The mean of `generated` (N,1) divided by the mean of `truth` (N,1), from 0; NaN if the truth's is 0."""
    return float(generated.mean() / truth.mean()) if truth.mean() > 0 else math.nan
