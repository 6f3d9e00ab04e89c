"""The LPIPS measure: batches, masks, and its label."""

import math

import lpips
import numpy as np
import pytest
import torch
from factories import dummy_face_landmarks, dummy_marked_face, dummy_trunk

from dd_tools.evaluation.frames import FULL, MASK, FaceFrame, FramePair
from dd_tools.evaluation.measures import lpips as measure_module
from dd_tools.evaluation.measures.lpips import LpipsMean
from dd_tools.nn.lpips import Lpips


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """An AlexNet trunk of noise, named as in torchvision, and the package's network with the same trunk."""
    path = tmp_path_factory.mktemp("trunk") / "trunk.pth"
    return path, dummy_trunk(path)


def frames(count: int, region: str = FULL) -> list[FramePair]:
    noise, landmarks = np.random.default_rng(0), dummy_face_landmarks(opening=0.1)
    faces = [dummy_marked_face() for _ in range(count)]
    noisy = [np.uint8(np.clip(face + noise.normal(0, 12, face.shape), 0, 255)) for face in faces]
    return [
        FramePair(FaceFrame(a, landmarks), FaceFrame(b, landmarks), region) for a, b in zip(faces, noisy, strict=True)
    ]


def measured(network: Lpips, *clip: FramePair) -> float:
    measure = LpipsMean(network)
    for frame in clip:
        measure.add(frame)
    [value] = measure.results()
    return value


def test_a_clip_is_the_mean_of_the_packages_values_for_each_frame(trunk, monkeypatch):
    path, oracle = trunk
    monkeypatch.setattr(measure_module, "BATCH", 2)
    clip = frames(3)
    with torch.inference_mode():
        expected = np.mean([float(oracle(*map(lpips.im2tensor, frame.region))) for frame in clip])
    assert measured(Lpips("alex", path), *clip) == pytest.approx(expected, rel=1e-4)


def test_pixels_outside_the_mask_count_only_through_receptive_fields(trunk):
    network = Lpips("alex", trunk[0])
    [frame] = frames(1, MASK)
    truth, generated = frame.region
    spoilt = np.where(frame.region_mask[..., None], generated, 255 - generated)
    inner = np.zeros_like(frame.region_mask)
    inner[120:140, 120:140] = True
    plain, masked = (network.distances(truth[None], generated[None], inside) for inside in (None, inner[None]))
    assert plain != pytest.approx(masked)
    [of_spoilt], [of_generated] = (
        network.distances(truth[None], one[None], frame.region_mask[None]) for one in (spoilt, generated)
    )
    [whole_of_spoilt] = network.distances(truth[None], spoilt[None])
    assert of_spoilt - of_generated < whole_of_spoilt - of_generated
    assert measured(network, frame) == pytest.approx(of_generated)


def test_identical_frames_and_no_frames(trunk):
    network, faceless = Lpips("alex", trunk[0]), FaceFrame(dummy_marked_face(), None)
    assert measured(network, FramePair(faceless, faceless, FULL)) == 0
    assert math.isnan(measured(network, FramePair(faceless, faceless)))


def test_the_trunk_is_part_of_the_label(trunk):
    network = Lpips("alex", trunk[0])
    assert f",alex,trunk-{network.fingerprint}," in LpipsMean(network).labels[0].settings
