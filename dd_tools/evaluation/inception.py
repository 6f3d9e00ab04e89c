"""FID (Heusel et al. 2017) of the compared region, over all frames of a system, with torchvision's Inception v3.

Published FIDs use weights ported from TensorFlow and its way of resizing: their numbers lie elsewhere, and these can
only be compared with each other. Fewer frames than features (2048) bias it upwards.
"""

from pathlib import Path

import numpy as np
import torch
import torchvision

from dd_tools.evaluation.frames import FramePair, Images
from dd_tools.evaluation.measure import Better, Label
from dd_tools.evaluation.weights import fingerprint, load_into, read_weights

FEATURES = 2048
SIDE = 299  # pixels
BATCH = 16
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision trained


class Inception:
    """Features of pictures. Raises `DataError` if the file at `path` does not hold torchvision's Inception v3."""

    def __init__(self, path: Path, device: torch.device | str = "cpu"):
        state = read_weights(path)
        # torchvision's own weights were ported with the transform; the side classifier plays no part.
        self._network = torchvision.models.inception_v3(init_weights=False, aux_logits=False, transform_input=True)
        load_into(self._network, state, path, "Inception v3")
        self._network.fc = torch.nn.Identity()
        self._network.eval().to(device)
        self._device = device
        settings = f"torchvision-inception-v3-{fingerprint(state)},not-the-tensorflow-port,pooled-over-frames"
        self.label = Label("fid", "FID", "", Better.LOWER, 2, settings)

    @torch.inference_mode()
    def features(self, images: np.ndarray) -> np.ndarray:
        """Features float64 (B,2048) of images uint8 (B,H,W,3) RGB."""
        pictures = torch.from_numpy(images).to(self._device).movedim(-1, 1) / 255
        pictures = torch.nn.functional.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)
        mean, deviation = (torch.tensor(values, device=self._device)[:, None, None] for values in (_MEAN, _DEVIATION))
        return self._network((pictures - mean) / deviation).cpu().double().numpy()


class Moments:
    """Mean and covariance of features, without keeping them."""

    def __init__(self) -> None:
        self.count, self._sum, self._products = 0, 0.0, 0.0

    def add(self, features: np.ndarray) -> None:
        """Take features (B,D)."""
        self.count += len(features)
        self._sum = self._sum + features.sum(0)
        self._products = self._products + features.T @ features

    def merge(self, other: "Moments") -> None:
        """Take all that `other` has seen."""
        self.count += other.count
        self._sum, self._products = self._sum + other._sum, self._products + other._products

    @property
    def mean(self) -> np.ndarray:
        """(D,)."""
        return self._sum / self.count

    @property
    def covariance(self) -> np.ndarray:
        """(D,D), unbiased."""
        return (self._products - self.count * np.outer(self.mean, self.mean)) / (self.count - 1)


def frechet_distance(one: Moments, other: Moments) -> float:
    """Squared Fréchet distance of the two Gaussians; NaN with fewer than two features in either."""
    if min(one.count, other.count) < 2:
        return float("nan")
    values, vectors = np.linalg.eigh(one.covariance)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ other.covariance @ root).clip(0)).sum()
    shift = one.mean - other.mean
    return float(shift @ shift + np.trace(one.covariance) + np.trace(other.covariance) - 2 * cross)


class RegionFeatures:
    """An observer that gathers the moments of both pictures' regions, truth first, in `moments`."""

    def __init__(self, network: Inception):
        self._network = network
        self._waiting: list[Images] = []
        self._moments = Moments(), Moments()

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.region is not None:
            self._waiting.append(frame.region)
        if len(self._waiting) == BATCH:
            self._measure()

    def _measure(self) -> None:
        for moments, images in zip(self._moments, zip(*self._waiting, strict=True), strict=True):
            moments.add(self._network.features(np.stack(images)))
        self._waiting = []

    @property
    def moments(self) -> tuple[Moments, Moments]:
        """Those of all frames so far."""
        if self._waiting:
            self._measure()
        return self._moments


class FrechetDistances:
    """FID by system: `observer` for every clip, `keep` those that were scored, and read `value` at the end."""

    def __init__(self, network: Inception):
        self.label = network.label
        self._network = network
        self._systems: dict[str, tuple[Moments, Moments]] = {}

    def observer(self) -> RegionFeatures:
        """For one clip."""
        return RegionFeatures(self._network)

    def keep(self, system: str, features: RegionFeatures) -> None:
        """Count a clip's frames to its system's."""
        kept = self._systems.setdefault(system, (Moments(), Moments()))
        for all_of_them, own in zip(kept, features.moments, strict=True):
            all_of_them.merge(own)

    def values(self) -> dict[str, float]:
        """FID by system."""
        return {system: frechet_distance(*moments) for system, moments in self._systems.items()}
