"""FID: the formula against SciPy's matrix square root, the features, and pooling over clips."""

import numpy as np
import pytest
import scipy.linalg
import torch
import torchvision
from factories import dummy_marked_face

from dd_tools.errors import DataError
from dd_tools.evaluation.frames import FULL, FaceFrame, FramePair
from dd_tools.evaluation.measures.fid import FeatureMoments, SystemFid, frechet_distance
from dd_tools.evaluation.measures.inception import Inception


def moments(features: np.ndarray) -> FeatureMoments:
    seen = FeatureMoments()
    for part in np.array_split(features, 3):
        seen.add(part)
    return seen


def textbook(one: np.ndarray, other: np.ndarray) -> float:
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    shift = one.mean(0) - other.mean(0)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    return float(shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root))


def test_the_distance_is_the_textbooks():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(50, 6)), 1 + random.normal(size=(40, 6)) @ random.normal(size=(6, 6))
    assert frechet_distance(moments(one), moments(other)) == pytest.approx(textbook(one, other), rel=1e-6)
    assert frechet_distance(moments(one), moments(one)) == pytest.approx(0, abs=1e-9)
    assert np.isnan(frechet_distance(moments(one), FeatureMoments()))


class Colours:
    """Stands in for `Inception`: the mean colour."""

    fingerprint = "colours"

    def features(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean((1, 2))


def test_the_frames_of_a_systems_clips_count_together():
    random = np.random.default_rng(0)
    colour_pairs = random.integers(0, 256, (40, 2, 3), np.uint8)  # truth, generated
    fid = SystemFid(Colours())
    for clip in np.split(colour_pairs, [21]):
        observer = fid.observer()
        for colours in clip:
            frames = (FaceFrame(np.full((8, 8, 3), colour), None) for colour in colours)
            observer.add(FramePair(*frames, FULL))
        fid.keep("ours", observer)
    fid.observer().add(FramePair(*(FaceFrame(dummy_marked_face(), None),) * 2, FULL))  # of a clip that is not kept
    assert fid.values() == {"ours": pytest.approx(textbook(*colour_pairs.swapaxes(0, 1).astype(float)), rel=1e-6)}


def test_features_are_torchvisions(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        oracle = torchvision.models.inception_v3(init_weights=False, aux_logits=True, transform_input=True).eval()
    torch.save(oracle.state_dict(), tmp_path / "inception.pth")
    network = Inception(tmp_path / "inception.pth")
    image = np.random.default_rng(0).integers(0, 256, (299, 299, 3), np.uint8)
    oracle.fc = torch.nn.Identity()
    transform = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1.transforms(crop_size=299, resize_size=299)
    with torch.inference_mode():
        expected = oracle(transform(torch.from_numpy(image).movedim(-1, 0))[None]).numpy()
    assert network.features(image[None]) == pytest.approx(expected, abs=1e-4)
    assert "not-the-tensorflow-port" in SystemFid(network).label.settings


def test_other_weights_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other.pth' as Inception v3: 'Conv2d_1a_3x3.conv.weight' is missing"):
        Inception(tmp_path / "other.pth")
