"""Landmark distance (LMD): how far the generated mouth's landmarks are from the truth's."""

import numpy as np

from dd_tools.evaluation.frames import SIZE, FramePair
from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.face.landmarks import MOUTH

ALIGNED, RAW = LMD_KINDS = ("aligned", "raw")


def lmd_label(kind: str) -> Label:
    """The label of `aligned_lmd` or `raw_lmd`."""
    return Label("lmd", "LMD", "px", Better.LOWER, 2, f"mouth-48-67,{kind},shorter-side-{SIZE}")


def raw_lmd(frame: FramePair) -> float | None:
    """Mean Euclidean distance of the 20 mouth landmarks, in pixels of frames with a shorter side of 256 pixels.

    None unless both faces were found.
    """
    if frame.landmarks is None:
        return None
    truth, generated = (landmarks[MOUTH] for landmarks in frame.landmarks)
    return float(np.linalg.norm(truth - generated, axis=-1).mean())


def aligned_lmd(frame: FramePair) -> float | None:
    """`raw_lmd` after aligning the centroids of both mouths, as in Chen et al. 2018, who introduced LMD.

    It compares the mouths' shapes and ignores errors in their positions. Only this variant ranks IP-LAP and DiffDub
    first, as Table 1 does.
    """
    if frame.landmarks is None:
        return None
    truth, generated = (landmarks[MOUTH] - landmarks[MOUTH].mean(0) for landmarks in frame.landmarks)
    return float(np.linalg.norm(truth - generated, axis=-1).mean())
