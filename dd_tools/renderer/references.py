"""Which frames of a clip a renderer of several references is shown beside the one it paints: those in which the head is
held, the mouth shaped and the light most alike, so that there is little to bend and the very teeth to see.
"""

import cv2
import numpy as np

from dd_tools.face.geometry import gaussian_average
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.formats.arrays import spread
from dd_tools.formats.clip import Clip
from dd_tools.renderer.inputs import across

CANDIDATES = 250  # frames of a clip that may be references
APART = 1.0  # seconds in the clip from the frame that is painted: what its mouth really did must not show through
DIFFERENT = 0.3  # seconds in the clip between the references of one frame
STEADY = 0.08  # seconds, standard deviation: likeness is averaged over so long, or references would change all the time
REACH = 3 * STEADY  # seconds before and after that have a say

HEAD = range(27, 48)  # nose and eyes, which speech moves little
AFAR = 6, 3  # pixels, width and height of a crop's upper half when its light is compared
NOT_THIS = 10.0  # far more unlike than any two faces are


def candidates(clip: Clip, count: int) -> np.ndarray:
    """Frames (N,) of which `count` a time are to be references; of a single reference it is the first usable frame."""
    return clip.usable[:1] if count == 1 else spread(clip.usable, CANDIDATES)


def places(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Where `HEAD` and `MOUTH_REGION` (N, 46, 2) of landmarks (N, 68, 2) lie in crops of side `size`, as -1 to 1."""
    return across(landmarks[:, [*HEAD, *MOUTH_REGION]], size)


def unlikeness(wanted: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How far heads and mouths `seen` (N, 46, 2) are from those `wanted`, (T, N): mean distance of the head's points
    plus that of the mouth's, where these are known. wanted: (T, 46, 2), or (T, 21, 2) of the heads alone.
    """
    distance = np.linalg.norm(wanted[:, None] - seen[:, : wanted.shape[1]], axis=-1)
    head, mouth = np.split(distance, [len(HEAD)], axis=-1)
    return head.mean(-1) + (mouth.mean(-1) if mouth.size else 0)


def lights(crops: np.ndarray) -> np.ndarray:
    """How light falls on the upper half, which is not painted, of crops uint8 (N, S, S, 3): (N, 54), 0 to 2."""
    upper = crops[:, : crops.shape[1] // 2]
    return np.stack([cv2.resize(crop, AFAR, interpolation=cv2.INTER_AREA).ravel() for crop in upper]) / 127.5


def otherwise_lit(wanted: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Mean difference of `lights` (T, 54) and (N, 54): (T, N)."""
    return np.abs(wanted[:, None] - seen).mean(-1)


def steadied(unlike: np.ndarray, pts: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Unlikeness (T, N) averaged over the times pts (T,) around; frames that are not `usable` (T,) have no say."""
    return gaussian_average(np.where(usable[:, None], unlike, 0), pts, STEADY)


def most_alike(unlike: np.ndarray, times: np.ndarray, seen: np.ndarray, count: int) -> np.ndarray:
    """Indices (T, count) of candidates from the least unlike on, of (T, N); times (T,) and seen (N,): of the frames
    painted and of the candidates in the clip, in seconds. Where a clip is too short for `APART` and `DIFFERENT`, as far
    apart as can be.
    """
    unlike = unlike + NOT_THIS * _nearness(times[:, None] - seen, APART)
    chosen = []
    for _ in range(count):
        chosen.append(unlike.argmin(1))
        unlike = unlike + NOT_THIS * _nearness(seen[chosen[-1]][:, None] - seen, DIFFERENT)
    return np.stack(chosen, axis=1)


def _nearness(seconds: np.ndarray, reach: float) -> np.ndarray:
    """1 at no distance, 0 from `reach` on."""
    return np.maximum(0, 1 - np.abs(seconds) / reach)
