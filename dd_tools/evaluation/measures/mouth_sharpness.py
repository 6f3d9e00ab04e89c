"""Sharpness of the whole mouth and the skin around it, where renderers blur what they do not know."""

import numpy as np

from dd_tools.evaluation.frames import SIZE
from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.measures.mouth import MATCH_SETTINGS, Mouth
from dd_tools.evaluation.measures.sharpness import SETTINGS, rms_gradient
from dd_tools.face.landmarks import OUTER_LIPS

AROUND = 0.25  # of the mouth's width, on every side

MOUTH_SHARPNESS = Label(
    "mouth_sharpness", "mouth sharpness", "", Better.NEAR_ONE, 2,
    f"{SETTINGS},box-of-48-59-and-{AROUND}-of-its-width,{MATCH_SETTINGS}",
)  # fmt: skip


def mouth_gradient(mouth: Mouth) -> tuple[float] | None:
    """`rms_gradient` in a box around the lips with a margin; None if it has no four pixels in the lower face."""
    points = mouth.outline(OUTER_LIPS)
    margin = AROUND * np.ptp(points[:, 0])
    left, top = np.rint(np.clip(points.min(0) - margin, 0, SIZE)).astype(int)
    right, bottom = np.rint(np.clip(points.max(0) + margin, 0, SIZE)).astype(int)
    box = mouth.pixels[top:bottom, left:right]
    return (rms_gradient(box),) if min(box.shape[:2]) > 1 else None
