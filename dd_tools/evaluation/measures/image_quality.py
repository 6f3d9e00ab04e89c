"""Image quality of the face without a reference, as TOPIQ measures it (Chen et al., arXiv 2308.03060), in both videos.

THEval (arXiv 2511.04520) measures faces by TOPIQ, too. Other networks that take and return the same work as well.
"""

import math

import numpy as np

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.given_network import BATCH, Contract, GivenNetwork
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.face.affine import resample
from dd_tools.face.geometry import face_crops, fit_poses

DEFAULT_SIZE = 256  # pixels, if the network leaves it open
INPUT = Contract("--topiq", ("N", 3, "S", "S"))


def quality_labels(network: GivenNetwork) -> tuple[Label, Label]:
    """The labels of `ImageQuality` as measured with `network`."""
    settings = f"onnx-{network.fingerprint},tight-face-{network.size or DEFAULT_SIZE},frame-mean"
    return (
        Label("topiq", "TOPIQ", "", Better.HIGHER, 3, settings),
        Label("topiq_truth", "TOPIQ of truth", "", Better.REFERENCE, 3, "as-topiq"),
    )


class ImageQuality(Measure):
    """Mean score of the generated face, and that of the true face in the same frames. NaN without frames with both."""

    def __init__(self, network: GivenNetwork):
        self.labels = quality_labels(network)
        self._network, self._size = network, network.size or DEFAULT_SIZE
        self._batch: list[np.ndarray] = []  # generated, truth, generated, ...
        self._sums, self._count = np.zeros(2), 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.landmarks is not None:
            faces = frame.generated.original or frame.generated, frame.truth
            self._batch += [face_crop(face, self._size) for face in faces]
        if len(self._batch) == BATCH:
            self._measure()

    def _measure(self) -> None:
        scores = self._network(np.moveaxis(np.float32(self._batch), -1, 1) / 255).mean(1)
        self._sums += scores.reshape(-1, 2).sum(0)
        self._count += len(self._batch) // 2
        self._batch = []

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if self._batch:
            self._measure()
        return tuple(map(float, self._sums / self._count)) if self._count else (math.nan,) * 2


def face_crop(frame: FaceFrame, size: int) -> np.ndarray:
    """The face from the brows to below the chin, upright, uint8 (S,S,3)."""
    [square] = face_crops(fit_poses(frame.landmarks[None]), size)
    return resample(frame.pixels, square, (size, size))
