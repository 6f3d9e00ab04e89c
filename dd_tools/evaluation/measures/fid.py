"""FID of the compared region (Heusel et al. 2017), over all frames of a system, with torchvision's Inception v3.

Published values use weights ported from TensorFlow and another resizing method, so values computed here can only be
compared with each other. FID is biased upwards, above all if there are fewer frames than features (2048).
"""

import math
from typing import Protocol

import numpy as np

from dd_tools.evaluation.frames import ArrayPair, FramePair
from dd_tools.evaluation.measures.interface import Better, Label

BATCH = 16  # frames


class FeatureNetwork(Protocol):
    """A network whose features are compared. fingerprint: hexadecimal digits that identify the weights."""

    fingerprint: str

    def features(self, frames: np.ndarray) -> np.ndarray:
        """Features float64 (N,D) of frames uint8 (B,H,W,3) RGB."""


class FeatureMoments:
    """Mean and covariance of a stream of feature vectors."""

    def __init__(self) -> None:
        self.count, self._sum, self._products = 0, 0.0, 0.0

    def add(self, features: np.ndarray) -> None:
        """Take features (B,D)."""
        self.count += len(features)
        self._sum = self._sum + features.sum(0)
        self._products = self._products + features.T @ features

    def merge(self, other: "FeatureMoments") -> None:
        """Take all features that `other` has taken."""
        self.count += other.count
        self._sum, self._products = self._sum + other._sum, self._products + other._products

    @property
    def mean(self) -> np.ndarray:
        """Mean (D,)."""
        return self._sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance (D,D)."""
        return (self._products - self.count * np.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(one: FeatureMoments, other: FeatureMoments) -> float:
    """Squared Fréchet distance of two Gaussians (Heusel et al. 2017); NaN for fewer than two features."""
    if min(one.count, other.count) < 2:
        return math.nan
    values, vectors = np.linalg.eigh(one.covariance)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ other.covariance @ root).clip(0)).sum()
    shift = one.mean - other.mean
    return float(shift @ shift + np.trace(one.covariance) + np.trace(other.covariance) - 2 * cross)


class RegionFeatures:
    """An observer that collects the feature moments of both regions of a clip, truth first."""

    def __init__(self, network: FeatureNetwork):
        self._network = network
        self._batch: list[ArrayPair] = []
        self._moments = FeatureMoments(), FeatureMoments()

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.region is not None:
            self._batch.append(frame.region)
        if len(self._batch) == BATCH:
            self._measure()

    def _measure(self) -> None:
        for moments, regions in zip(self._moments, zip(*self._batch, strict=True), strict=True):
            moments.add(self._network.features(np.stack(regions)))
        self._batch = []

    @property
    def moments(self) -> tuple[FeatureMoments, FeatureMoments]:
        """The moments of all frames so far: truth, generated."""
        if self._batch:
            self._measure()
        return self._moments


class SystemFid:
    """Computes the FID of every system.

    Call `observer` for each clip, `keep` if the clip was scored, and `values` at the end.
    """

    features: type[RegionFeatures] = RegionFeatures

    def __init__(self, network: FeatureNetwork):
        self.label = self.label_of(network)
        self._network = network
        self._systems: dict[str, tuple[FeatureMoments, FeatureMoments]] = {}

    @staticmethod
    def label_of(network: FeatureNetwork) -> Label:
        """The label of the distance as measured with `network`."""
        settings = f"torchvision-inception-v3-{network.fingerprint},not-the-tensorflow-port,pooled-over-frames"
        return Label("fid", "FID", "", Better.LOWER, 2, settings)

    def observer(self) -> RegionFeatures:
        """A new observer for one clip."""
        return self.features(self._network)

    def keep(self, system: str, features: RegionFeatures) -> None:
        """Add a clip's features to those of its system."""
        kept = self._systems.setdefault(system, (FeatureMoments(), FeatureMoments()))
        for all_clips, one_clip in zip(kept, features.moments, strict=True):
            all_clips.merge(one_clip)

    def values(self) -> dict[str, float]:
        """The distance by system."""
        return {system: frechet_distance(*moments) for system, moments in self._systems.items()}
