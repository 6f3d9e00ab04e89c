"""Identity: whether a face recognition network takes the generated face for the true one (ArcFace, Deng et al. 2019).

Networks differ, so values can only be compared with those of the same file.
"""

import math

import cv2
import numpy as np

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.given_network import BATCH, Contract, GivenNetwork, cosines
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.evaluation.registration import fit_similarity
from dd_tools.face.affine import resample
from dd_tools.face.landmarks import LEFT_EYE, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE

SIZE = 112  # pixels
# ArcFace's places of the right and the left eye, the tip of the nose, and the right and the left corner of the mouth.
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
INPUT = Contract("--identity", ("N", 3, SIZE, SIZE))


def identity_label(network: GivenNetwork) -> Label:
    """The label of `Identity` as measured with `network`."""
    settings = f"onnx-{network.fingerprint},cosine,arcface-five-points-{SIZE},frame-mean"
    return Label("identity", "identity", "", Better.HIGHER, 3, settings)


class Identity(Measure):
    """Mean cosine similarity of the embeddings of both faces; 1 for identical frames. NaN without frames with both."""

    def __init__(self, network: GivenNetwork):
        self.labels = (identity_label(network),)
        self._network = network
        self._batch: list[np.ndarray] = []  # truth, generated, truth, ...
        self._sum, self._count = 0.0, 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.landmarks is not None:
            self._batch += [aligned_face(frame.truth), aligned_face(frame.generated.original or frame.generated)]
        if len(self._batch) == BATCH:
            self._measure()

    def _measure(self) -> None:
        embeddings = self._network(as_input(np.stack(self._batch)))
        self._sum += float(cosines(embeddings[::2], embeddings[1::2]).sum())
        self._count += len(self._batch) // 2
        self._batch = []

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if self._batch:
            self._measure()
        return (self._sum / self._count if self._count else math.nan,)


def aligned_face(frame: FaceFrame) -> np.ndarray:
    """The face uint8 (112,112,3), moved, turned and scaled so that five points come closest to `TEMPLATE`."""
    face = frame.landmarks
    right, left = face[RIGHT_EYE].mean(0), face[LEFT_EYE].mean(0)
    points = np.stack([right, left, face[NOSE_TIP], *face[list(MOUTH_CORNERS)]])
    return resample(frame.pixels, fit_similarity(TEMPLATE, points), (SIZE, SIZE), cv2.INTER_LINEAR)


def as_input(faces: np.ndarray) -> np.ndarray:
    """Faces uint8 (N,112,112,3) as ArcFace's networks take them: float32 (N,3,112,112) RGB in [−1, 1]."""
    return (np.moveaxis(np.float32(faces), -1, 1) - 127.5) / 127.5
