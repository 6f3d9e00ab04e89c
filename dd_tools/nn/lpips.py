"""LPIPS v0.1, the perceptual distance of Zhang et al. 2018 ("The Unreasonable Effectiveness of Deep Features").

The package ``lpips`` contains the linear layers. The trunk below them is an ImageNet classifier, whose weights are read
from a file or from torchvision's download cache, and downloaded only on request.
"""

import urllib.error
import warnings
from collections.abc import Callable
from pathlib import Path

import lpips
import numpy as np
import torch
from torchvision.models import AlexNet_Weights, VGG16_Weights

from dd_tools.errors import UsageError
from dd_tools.formats.external_weights import fingerprint, load_into, read_weights

ALEX, VGG = NETS = ("alex", "vgg")
_TRUNKS = {ALEX: AlexNet_Weights.IMAGENET1K_V1, VGG: VGG16_Weights.IMAGENET1K_V1}


class Lpips:
    """The LPIPS network with a trunk of `NETS`, frozen.

    net: the trunk's name. trunk: file with the trunk's weights, named as in torchvision. fingerprint: eight hexadecimal
    digits that identify these weights. Raises `DataError` if the file holds other weights.
    """

    def __init__(self, net: str, trunk: Path, device: torch.device | str = "cpu"):
        state = {name: tensor for name, tensor in read_weights(trunk).items() if name.startswith("features.")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips calls torchvision with deprecated arguments
            self._network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        load_into(_TorchvisionNames(self._network.net), state, trunk, f"LPIPS's trunk '{net}'")
        self._network.to(device).requires_grad_(False)
        self._device = device
        self.net = net
        self.fingerprint = fingerprint(state)

    @torch.inference_mode()
    def distances(self, frames: np.ndarray, others: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
        """Distances float64 (B,) between frames uint8 (B,H,W,3) RGB.

        inside: bool (B,H,W), the pixels to average over; None for all of them.
        """
        images = (torch.from_numpy(batch).to(self._device).movedim(-1, 1) / 127.5 - 1 for batch in (frames, others))
        self._network.spatial = inside is not None  # a distance per pixel, which the mask can select
        distances = self._network(*images)[:, 0].cpu().double().numpy()
        return distances.mean((1, 2)) if inside is None else (distances * inside).sum((1, 2)) / inside.sum((1, 2))

    def between(self, images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Distances (B,) between images (B,3,H,W) in [−1, 1], differentiable, on the images' device."""
        self._network.to(images.device).spatial = False
        return self._network(images, others).flatten()


class _TorchvisionNames(torch.nn.Module):
    """The layers of an LPIPS trunk under their torchvision names; lpips groups them into slices."""

    def __init__(self, trunk: torch.nn.Module):
        super().__init__()
        self.features = torch.nn.Module()
        for part in trunk.children():
            for name, layer in part.named_children():
                self.features.add_module(name, layer)


def cached_trunk(net: str) -> Path:
    """The file in torchvision's download cache that holds the trunk's weights, whether it exists or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(_TRUNKS[net].url).name


def open_lpips(
    net: str | None, trunk: Path | None, device: torch.device | str, say: Callable[[str], None]
) -> Lpips | None:
    """LPIPS with the trunk `net`, or None if its weights are not available; `say` gets the reason.

    net: one of `NETS`, downloaded if it is not cached; None uses AlexNet and downloads nothing. trunk: read the weights
    from this file instead. Raises `UsageError` for an unknown `net`, `DataError` for a file with other weights.
    """
    if net not in (*NETS, None):
        raise UsageError(f"unknown LPIPS net '{net}', expected {', '.join(NETS)}")
    path = trunk or _cached_or_downloaded(net, say)
    return Lpips(net or ALEX, path, device) if path else None


def _cached_or_downloaded(net: str | None, say: Callable[[str], None]) -> Path | None:
    path, weights = cached_trunk(net or ALEX), _TRUNKS[net or ALEX]
    if path.exists():
        return path
    size = f"{weights.meta['_file_size']:.0f} MB"
    if net is None:
        say(
            f"LPIPS skipped: no AlexNet weights found; use --lpips alex to download them ({size}) "
            "or --lpips-trunk to read a file"
        )
        return None
    say(f"downloading the LPIPS trunk {weights.url} ({size})")
    try:
        _download(weights.url, path)
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        say(f"LPIPS skipped: cannot download the trunk ({error}); get {weights.url} and pass it with --lpips-trunk")
        return None
    return path


def _download(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256_start = path.stem.rsplit("-", 1)[1]  # part of torchvision's file names
    torch.hub.download_url_to_file(url, str(path), sha256_start, progress=False)
