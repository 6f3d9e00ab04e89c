"""FVD of the compared region (Unterthiner et al. 2018), over all windows of 16 frames of a system.

Published values use an I3D network trained on Kinetics-400. Networks differ, so values can only be compared with those
of the same file. FVD is biased upwards, above all if there are fewer windows than features.
"""

import cv2
import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.given_network import Contract, GivenNetwork
from dd_tools.evaluation.measures.fid import BATCH, FeatureMoments, FeatureNetwork, RegionFeatures, SystemFid
from dd_tools.evaluation.measures.interface import Better, Label

SIZE = 224  # pixels
WINDOW = BATCH  # frames
INPUT = Contract("--fvd", ("N", 3, WINDOW, SIZE, SIZE))


class VideoNetwork:
    """The features of a network for windows of frames; see `FeatureNetwork`."""

    def __init__(self, network: GivenNetwork):
        self._network = network
        self.fingerprint = network.fingerprint

    def features(self, frames: np.ndarray) -> np.ndarray:
        """Features float64 (1,D) of one window uint8 (16,H,W,3) RGB, which the network sees in [−1, 1]."""
        resized = np.stack([cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for frame in frames])
        return self._network(np.moveaxis(np.float32(resized), -1, 0)[None] / 127.5 - 1)


class WindowFeatures(RegionFeatures):
    """Collects the features of windows that follow each other without a gap; the rest of a clip is left out."""

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.region is None:
            self._batch = []
        super().add(frame)

    @property
    def moments(self) -> tuple[FeatureMoments, FeatureMoments]:
        """The moments of all complete windows so far: truth, generated."""
        self._batch = []
        return super().moments


class SystemFvd(SystemFid):
    """Computes the FVD of every system, as `SystemFid` computes FID."""

    features = WindowFeatures

    @staticmethod
    def label_of(network: FeatureNetwork) -> Label:
        """The label of the distance as measured with `network`."""
        settings = f"onnx-{network.fingerprint},windows-{WINDOW},{SIZE},pooled-over-windows"
        return Label("fvd", "FVD", "", Better.LOWER, 2, settings)
