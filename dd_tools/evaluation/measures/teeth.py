"""Sharpness of the inside of open mouths, where blurred teeth are noticed most."""

import math

import cv2
import numpy as np

from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.measures.mouth import MATCH_SETTINGS, Mouth
from dd_tools.face.landmarks import INNER_LIPS

OPEN = 0.1  # interocular distances: mouths with a smaller aperture show no teeth

TEETH_SHARPNESS = Label(
    "teeth_sharpness", "teeth sharpness", "", Better.NEAR_ONE, 2,
    f"rms-gradient-ratio,central-differences,luma-bt601,inside-60-67,aperture-from-{OPEN}-interocular,{MATCH_SETTINGS}",
)  # fmt: skip


def inner_gradient(mouth: Mouth) -> tuple[float] | None:
    """Root mean square of the gradient of luma between the lips of an open mouth, in grey levels per pixel.

    None for a mouth with an aperture below `OPEN`, and if there is no pixel between the lips in the lower face.
    """
    if mouth.aperture < OPEN:
        return None
    inside = mouth.inside(INNER_LIPS)
    if not inside.any():
        return None
    down, right = np.gradient(cv2.cvtColor(np.float32(mouth.pixels), cv2.COLOR_RGB2GRAY))
    return (math.sqrt(np.mean(down[inside] ** 2 + right[inside] ** 2)),)


def ratio_of_means(generated: np.ndarray, truth: np.ndarray) -> float:
    """The mean of `generated` (N,1) divided by the mean of `truth` (N,1), from 0; NaN if the truth's is 0."""
    return float(generated.mean() / truth.mean()) if truth.mean() > 0 else math.nan
