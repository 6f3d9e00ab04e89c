"""LPIPS: the published values, batches, masks, and what happens without its trunk."""

import math
import urllib.error

import lpips
import numpy as np
import pytest
import torch
from factories import dummy_face_landmarks, dummy_marked_face, dummy_trunk, shared_file
from PIL import Image

from dd_tools.errors import DataError, UsageError
from dd_tools.evaluation import perceptual
from dd_tools.evaluation.frames import FULL, MASK, FramePair, Picture
from dd_tools.evaluation.perceptual import Lpips, PerceptualDistance, cached_trunk, open_lpips


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """An AlexNet trunk of noise, named as torchvision names it, and the same inside the package's network."""
    path = tmp_path_factory.mktemp("trunk") / "trunk.pth"
    return path, dummy_trunk(path)


def frames(count: int, region: str = FULL) -> list[FramePair]:
    noise, landmarks = np.random.default_rng(0), dummy_face_landmarks(opening=0.1)
    pictures = [dummy_marked_face() for _ in range(count)]
    noisy = [np.uint8(np.clip(picture + noise.normal(0, 12, picture.shape), 0, 255)) for picture in pictures]
    return [
        FramePair(Picture(a, landmarks), Picture(b, landmarks), region) for a, b in zip(pictures, noisy, strict=True)
    ]


def as_input(image: np.ndarray) -> torch.Tensor:
    return lpips.im2tensor(image)


def test_published_values():
    network = Lpips("alex", shared_file("weights/alexnet_features.npz"))
    reference, first, second = (np.asarray(Image.open(shared_file(f"weights/ex_{n}.png"))) for n in ("ref", "p0", "p1"))
    found = network.distances(np.stack([reference] * 2), np.stack([first, second]))
    assert found == pytest.approx([0.722, 0.138], abs=5e-4)


def test_a_clip_is_the_mean_of_what_the_package_says_of_each_frame(trunk, monkeypatch):
    path, oracle = trunk
    monkeypatch.setattr(perceptual, "BATCH", 2)
    measure, clip = PerceptualDistance(Lpips("alex", path)), frames(3)
    for frame in clip:
        measure.add(frame)
    with torch.inference_mode():
        expected = np.mean([float(oracle(*map(as_input, frame.region))) for frame in clip])
    assert measure.results() == (pytest.approx(expected, rel=1e-4),)


def test_outside_the_mask_nothing_counts_but_what_reaches_in(trunk):
    network = Lpips("alex", trunk[0])
    [frame] = frames(1, MASK)
    truth, generated = frame.region
    spoilt = np.where(frame.inside[..., None], generated, 255 - generated)
    inner = np.zeros_like(frame.inside)
    inner[120:140, 120:140] = True
    plain, masked = (network.distances(truth[None], generated[None], inside) for inside in (None, inner[None]))
    assert plain != pytest.approx(masked)
    [of_spoilt], [of_generated] = (
        network.distances(truth[None], one[None], frame.inside[None]) for one in (spoilt, generated)
    )
    [whole_of_spoilt] = network.distances(truth[None], spoilt[None])
    assert of_spoilt - of_generated < whole_of_spoilt - of_generated
    measure = PerceptualDistance(network)
    measure.add(frame)
    assert measure.results() == (pytest.approx(of_generated),)


def test_identical_pictures_and_no_pictures(trunk):
    network, blind = Lpips("alex", trunk[0]), Picture(dummy_marked_face(), None)
    measure, nothing = PerceptualDistance(network), PerceptualDistance(network)
    measure.add(FramePair(blind, blind, FULL))
    nothing.add(FramePair(blind, blind))
    assert measure.results() == (0.0,)
    assert math.isnan(nothing.results()[0])


def test_distances_of_images_have_a_gradient_and_train_nothing_of_the_network(trunk):
    network, generator = Lpips("alex", trunk[0]), torch.Generator().manual_seed(0)
    images, others = (torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1 for _ in range(2))
    images.requires_grad_()
    found = network.between(images, others)
    with torch.no_grad():
        torch.testing.assert_close(found, trunk[1](images, others).flatten(), rtol=1e-4, atol=1e-6)
    found.sum().backward()
    assert images.grad.abs().amax((1, 2, 3)).min() > 0
    assert all(parameter.grad is None for parameter in network._network.parameters())


def test_the_trunk_shows_in_the_label(trunk):
    assert ",alex,trunk-" in Lpips("alex", trunk[0]).label.settings


def test_another_networks_weights_are_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    with pytest.raises(DataError, match=r"vgg.pth' as LPIPS's trunk 'alex': 'features.0.weight' is \(64, 3, 3, 3\)"):
        Lpips("alex", tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match="unknown LPIPS net 'best', expected alex, vgg"):
        open_lpips("best", None, "cpu", print)


def test_without_its_trunk_it_is_left_out_and_nothing_downloaded(monkeypatch, tmp_path, trunk):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("downloads unasked"))
    said = []
    assert open_lpips(None, None, "cpu", said.append) is None
    assert said == [
        "no LPIPS: its AlexNet trunk is not here; --lpips alex downloads it (233 MB), --lpips-trunk reads it"
    ]
    cached_trunk("alex").parent.mkdir()
    cached_trunk("alex").write_bytes(trunk[0].read_bytes())
    assert open_lpips(None, None, "cpu", said.append).label.settings == Lpips("alex", trunk[0]).label.settings
    assert len(said) == 1


def test_a_download_that_fails_is_said_and_the_run_goes_on(monkeypatch, tmp_path):
    def fail(url, path, digits, progress):
        assert (digits, url.startswith("https://download.pytorch.org/")) == ("397923af", True)
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    said = []
    assert open_lpips("vgg", None, "cpu", said.append) is None
    assert said[0].startswith("downloading LPIPS's trunk https://")
    assert said[1].startswith("no LPIPS: cannot download its trunk (<urlopen error no network>); get https://")
