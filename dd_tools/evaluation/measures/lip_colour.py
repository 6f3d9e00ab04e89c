"""The difference in colour between generated and true lips."""

import cv2
import numpy as np

from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.measures.mouth import MATCH_SETTINGS, Mouth
from dd_tools.face.landmarks import INNER_LIPS, OUTER_LIPS

LIP_COLOUR = Label(
    "lip_colour", "lip ΔE", "", Better.LOWER, 1,
    f"opencv-{cv2.__version__},cie76,cielab-d65-of-srgb,lips-48-59-without-60-67,frame-mean,{MATCH_SETTINGS}",
)  # fmt: skip


def lip_colour(mouth: Mouth) -> np.ndarray | None:
    """Mean CIELAB colour (3,) of the lips: L* from 0 to 100, a*, b*; None if they have no pixel in the lower face."""
    lips = mouth.pixels[mouth.inside(OUTER_LIPS) & ~mouth.inside(INNER_LIPS)]
    if not len(lips):
        return None
    # OpenCV takes floats in 0 … 1 as sRGB, and converts to CIELAB with the white point D65.
    return cv2.cvtColor(np.float32(lips[None]) / 255, cv2.COLOR_RGB2Lab)[0].mean(0)


def mean_delta_e(generated: np.ndarray, truth: np.ndarray) -> float:
    """Mean colour difference ΔE (CIE 1976) of CIELAB colours (N,3), from 0.

    2.3 is just noticeable (Mahy et al. 1994).
    """
    return float(np.linalg.norm(generated - truth, axis=-1).mean())
