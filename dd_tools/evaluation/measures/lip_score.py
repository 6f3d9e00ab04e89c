"""LipScore: whether a lip reader sees the same in both videos, as Bigata et al. measure (KeySync, arXiv 2505.00497).

The definition is this project's after that idea. The frames are prepared as for the lip readers of Ma et al.
(auto-AVSR, 2023). Networks differ, so values can only be compared with those of the same file.
"""

import math

import cv2
import numpy as np

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.given_network import Contract, GivenNetwork, cosines
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.face.affine import resample, square_map
from dd_tools.face.geometry import fit_poses, scale_of
from dd_tools.face.landmarks import MOUTH

SIZE = 88  # pixels
SIDE = 1.15  # interocular distances, from the nose to the chin
SEGMENT = 250  # frames that the network sees at once, 10 s
MEAN, STD = 0.421, 0.165  # of grey levels from 0 to 1
INPUT = Contract("--lipscore", (1, "T", 1, SIZE, SIZE))


def lip_score_label(network: GivenNetwork) -> Label:
    """The label of `LipScore` as measured with `network`."""
    settings = f"onnx-{network.fingerprint},cosine,mouth-{SIZE},{SIDE}-interocular,segments-{SEGMENT},frame-mean"
    return Label("lip_score", "LipScore", "", Better.HIGHER, 3, settings)


class LipScore(Measure):
    """Mean cosine similarity of the embeddings of both mouths in the same frame; 1 for identical videos.

    Frames without both faces are left out. NaN if there are no others.
    """

    def __init__(self, network: GivenNetwork):
        self.labels = (lip_score_label(network),)
        self._network = network
        self._mouths: tuple[list[np.ndarray], list[np.ndarray]] = [], []  # truth, generated
        self._sum, self._count = 0.0, 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.landmarks is None:
            return
        for mouths, face in zip(self._mouths, (frame.truth, frame.generated.original or frame.generated), strict=True):
            mouths.append(mouth_crop(face))
        if len(self._mouths[0]) == SEGMENT:
            self._measure()

    def _measure(self) -> None:
        count = len(self._mouths[0])
        truth, generated = (self._network(as_input(np.stack(mouths)), count) for mouths in self._mouths)
        self._sum += float(cosines(truth, generated).sum())
        self._count += count
        self._mouths = [], []

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if self._mouths[0]:
            self._measure()
        return (self._sum / self._count if self._count else math.nan,)


def mouth_crop(frame: FaceFrame) -> np.ndarray:
    """The mouth in the middle of an upright square, uint8 (88,88) grey levels."""
    [pose] = fit_poses(frame.landmarks[None])
    scale = scale_of(pose)
    square = square_map(frame.landmarks[MOUTH].mean(0), SIDE * scale, pose[:, :2] / scale, SIZE)
    return cv2.cvtColor(resample(frame.pixels, square, (SIZE, SIZE), cv2.INTER_LINEAR), cv2.COLOR_RGB2GRAY)


def as_input(mouths: np.ndarray) -> np.ndarray:
    """Mouths uint8 (T,88,88) as the network takes them: float32 (1,T,1,88,88), normalised."""
    return (np.float32(mouths)[None, :, None] / 255 - MEAN) / STD
