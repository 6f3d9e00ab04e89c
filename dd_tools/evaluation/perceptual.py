"""LPIPS, the distance of pictures in a classifier's eyes (Zhang et al. 2018), in batches.

The linear layers come with the package ``lpips``; the trunk under them, a network trained on ImageNet, does not. It is
read from a file or from where torchvision keeps what it has downloaded, and downloaded only if the user says so.
"""

import urllib.error
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import lpips
import numpy as np
import torch
from torchvision.models import AlexNet_Weights, VGG16_Weights

from dd_tools.errors import UsageError
from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measure import Measure
from dd_tools.evaluation.quality import LPIPS
from dd_tools.evaluation.weights import fingerprint, load_into, read_weights

ALEX, VGG = NETS = ("alex", "vgg")
_TRUNKS = {ALEX: AlexNet_Weights.IMAGENET1K_V1, VGG: VGG16_Weights.IMAGENET1K_V1}
BATCH = 16  # pairs of pictures


class Lpips:
    """LPIPS v0.1 with the trunk `net` of `NETS`, its weights from the file `trunk`. Raises `DataError` for others."""

    def __init__(self, net: str, trunk: Path, device: torch.device | str = "cpu"):
        state = {name: tensor for name, tensor in read_weights(trunk).items() if name.startswith("features.")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how lpips asks torchvision for an empty trunk
            self._network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        load_into(_AsFeatures(self._network.net), state, trunk, f"LPIPS's trunk '{net}'")
        self._network.to(device).requires_grad_(False)
        self._device = device
        self.label = replace(LPIPS, settings=f"lpips-{version('lpips')},v0.1,{net},trunk-{fingerprint(state)},rgb")

    @torch.inference_mode()
    def distances(self, truth: np.ndarray, generated: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
        """Distances (B,) of images uint8 (B,H,W,3) RGB, of the pixels `inside` (B,H,W) only if it is given."""
        pictures = (
            torch.from_numpy(images).to(self._device).movedim(-1, 1) / 127.5 - 1 for images in (truth, generated)
        )
        self._network.spatial = inside is not None  # a map that the mask can be laid on
        found = self._network(*pictures)[:, 0].cpu().double().numpy()
        return found.mean((1, 2)) if inside is None else (found * inside).sum((1, 2)) / inside.sum((1, 2))

    def between(self, images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Distances (B,) of images (B,3,H,W) in [-1, 1], with a gradient, computed where the images are."""
        self._network.to(images.device).spatial = False
        return self._network(images, others).flatten()


class _AsFeatures(torch.nn.Module):
    """An LPIPS trunk's layers under the names they have in torchvision; lpips cuts them into slices."""

    def __init__(self, trunk: torch.nn.Module):
        super().__init__()
        self.features = torch.nn.Module()
        for part in trunk.children():
            for name, layer in part.named_children():
                self.features.add_module(name, layer)


class PerceptualDistance(Measure):
    """Mean LPIPS of the region over a clip."""

    def __init__(self, network: Lpips):
        self.labels = (network.label,)
        self._network = network
        self._waiting: list[FramePair] = []
        self._sum, self._count = 0.0, 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.region is not None:
            self._waiting.append(frame)
        if len(self._waiting) == BATCH:
            self._measure()

    def _measure(self) -> None:
        truth, generated = (np.stack(images) for images in zip(*(frame.region for frame in self._waiting), strict=True))
        has_mask = self._waiting[0].inside is not None
        inside = np.stack([frame.inside for frame in self._waiting]) if has_mask else None
        self._sum += float(self._network.distances(truth, generated, inside).sum())
        self._count += len(self._waiting)
        self._waiting = []

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if self._waiting:
            self._measure()
        return (self._sum / self._count if self._count else float("nan"),)


def cached_trunk(net: str) -> Path:
    """Where torchvision keeps the trunk once it is downloaded."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(_TRUNKS[net].url).name


def open_lpips(
    net: str | None, trunk: Path | None, device: torch.device | str, say: Callable[[str], None]
) -> Lpips | None:
    """LPIPS with `net`, of `NETS`; None, which is said, where there is no trunk for it.

    trunk: read it from this file; else from torchvision's cache. A `net` that is not there is downloaded, which is said
    too; without one it is AlexNet if that is there. Raises `UsageError` for other nets.
    """
    if net not in (*NETS, None):
        raise UsageError(f"unknown LPIPS net '{net}', expected {', '.join(NETS)}")
    chosen = net or ALEX
    path = trunk or cached_trunk(chosen)
    size = f"{_TRUNKS[chosen].meta['_file_size']:.0f} MB"
    if not trunk and not path.exists():
        if net is None:
            say(f"no LPIPS: its AlexNet trunk is not here; --lpips alex downloads it ({size}), --lpips-trunk reads it")
            return None
        say(f"downloading LPIPS's trunk {_TRUNKS[net].url} ({size})")
        try:
            _download(_TRUNKS[net].url, path)
        except (OSError, urllib.error.URLError, RuntimeError) as error:
            say(f"no LPIPS: cannot download its trunk ({error}); get {_TRUNKS[net].url} and give it by --lpips-trunk")
            return None
    return Lpips(chosen, path, device)


def _download(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digits = path.stem.rsplit("-", 1)[1]  # torchvision's file names end in how their SHA-256 begins
    torch.hub.download_url_to_file(url, str(path), digits, progress=False)
