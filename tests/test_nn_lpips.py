"""The LPIPS network: published values, the package's values, masks, gradients, and missing weights."""

import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import dummy_trunk, shared_file
from PIL import Image

from dd_tools.errors import DataError, UsageError
from dd_tools.nn.lpips import Lpips
from dd_tools.nn.lpips_trunk import TRUNKS, cached_trunk, find_trunk


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """An AlexNet trunk of noise, named as in torchvision, and the package's network with the same trunk."""
    path = tmp_path_factory.mktemp("trunk") / "trunk.pth"
    return path, dummy_trunk(path)


@pytest.fixture(scope="module")
def frames():
    """Two batches of frames, uint8 (2,64,64,3)."""
    return np.random.default_rng(0).integers(0, 256, (2, 2, 64, 64, 3), np.uint8)


def test_published_values():
    network = Lpips("alex", shared_file("weights/alexnet_features.npz"))
    reference, first, second = (np.asarray(Image.open(shared_file(f"weights/ex_{n}.png"))) for n in ("ref", "p0", "p1"))
    found = network.distances(np.stack([reference] * 2), np.stack([first, second]))
    assert found == pytest.approx([0.722, 0.138], abs=5e-4)


def test_distances_of_frames_are_the_packages(trunk, frames):
    path, oracle = trunk
    images, others = torch.from_numpy(frames).movedim(-1, 2) / 127.5 - 1
    with torch.inference_mode():
        expected = oracle(images, others).flatten().numpy()
    assert Lpips("alex", path).distances(*frames) == pytest.approx(expected, rel=1e-4)


def test_a_mask_selects_the_pixels_of_the_mean(trunk, frames):
    network = Lpips("alex", trunk[0])
    left = np.zeros((2, 64, 64), bool)
    left[:, :, :32] = True
    halves = [network.distances(*frames, mask) for mask in (left, ~left)]
    # The map is upsampled, so its mean is only close to the distance.
    assert np.mean(halves, axis=0) == pytest.approx(network.distances(*frames), rel=0.01)
    assert halves[0] != pytest.approx(halves[1])


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


def test_equal_trunks_have_equal_fingerprints_in_any_file(trunk, tmp_path):
    np.savez(tmp_path / "trunk.npz", **{name: value.numpy() for name, value in torch.load(trunk[0]).items()})
    assert Lpips("alex", tmp_path / "trunk.npz").fingerprint == Lpips("alex", trunk[0]).fingerprint


def test_the_weights_of_another_network_are_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "vgg.pth")
    message = r"vgg.pth' as LPIPS's trunk 'alex': 'features.0.weight' has shape \(64, 3, 3, 3\)"
    with pytest.raises(DataError, match=message):
        Lpips("alex", tmp_path / "vgg.pth")
    with pytest.raises(UsageError, match="unknown LPIPS net 'best', expected alex, vgg"):
        find_trunk("best", None, print)


def test_without_its_trunk_it_is_skipped_and_nothing_downloaded(monkeypatch, tmp_path, trunk):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("downloads unasked"))
    said = []
    assert find_trunk(None, None, said.append) is None
    assert said == [
        "LPIPS skipped: no AlexNet weights found; use --lpips alex to download them (233 MB) "
        "or --lpips-trunk to read a file"
    ]
    cached_trunk("alex").parent.mkdir(parents=True)
    cached_trunk("alex").write_bytes(trunk[0].read_bytes())
    assert find_trunk(None, None, said.append) == cached_trunk("alex")
    assert len(said) == 1


def test_a_download_that_fails_is_reported_and_the_run_continues(monkeypatch, tmp_path):
    def fail(url, path, digits, progress):
        assert (digits, url.startswith("https://download.pytorch.org/")) == ("397923af", True)
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    said = []
    assert find_trunk("vgg", None, said.append) is None
    assert said[0].startswith("downloading the LPIPS trunk https://")
    assert said[1].startswith("LPIPS skipped: cannot download the trunk (<urlopen error no network>); get https://")


@pytest.mark.parametrize("home", ["TORCH_HOME", "XDG_CACHE_HOME", "neither"])
def test_the_trunks_are_torchvisions_where_torch_keeps_them(monkeypatch, tmp_path, home):
    from torchvision.models import AlexNet_Weights, VGG16_Weights

    for variable in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    if home != "neither":
        monkeypatch.setenv(home, str(tmp_path))
    for net, weights in (("alex", AlexNet_Weights.IMAGENET1K_V1), ("vgg", VGG16_Weights.IMAGENET1K_V1)):
        assert TRUNKS[net].url == weights.url
        assert abs(TRUNKS[net].megabytes - weights.meta["_file_size"]) < 1
        assert cached_trunk(net) == Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
