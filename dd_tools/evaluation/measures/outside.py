"""The error outside the lower face, where nothing should change."""

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Better, Label

OUTSIDE = Label("outside_error", "outside", "grey levels", Better.LOWER, 2, "mean-absolute,all-but-lower-face")


def outside_error(frame: FramePair) -> float | None:
    """Mean absolute difference outside the lower face in grey levels, 0 … 255; codec noise if only lips were repainted.

    None without a face, if the lower face fills the frame, and for registered frames, which are resampled everywhere.
    """
    if frame.lower_face is None or frame.generated.original is not None:
        return None
    truth, generated = frame.resized
    height, width = truth.shape[:2]
    left, top, right, bottom = np.rint(frame.lower_face * (width, height, width, height)).astype(int)
    difference = np.abs(np.int16(truth) - generated)
    inside = difference[top:bottom, left:right]
    if inside.size == difference.size:
        return None
    return (int(difference.sum()) - int(inside.sum())) / (difference.size - inside.size)
