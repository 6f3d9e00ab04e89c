"""The weights of LPIPS's trunk, from a file or from torchvision's download cache; downloaded only on request.

Whether they are there is known without torch, which is slow to import.
"""

import os
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dd_tools.errors import UsageError


class Trunk(NamedTuple):
    """torchvision's weights. url: where they are downloaded from. megabytes: their size."""

    url: str
    megabytes: int


ALEX, VGG = NETS = ("alex", "vgg")
TRUNKS = {
    ALEX: Trunk("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", 233),
    VGG: Trunk("https://download.pytorch.org/models/vgg16-397923af.pth", 528),
}


def find_trunk(net: str | None, trunk: Path | None, say: Callable[[str], None]) -> Path | None:
    """The file with the weights of the trunk `net`, or None if they are not available; `say` gets the reason.

    net: one of `NETS`, downloaded if it is not cached; None uses AlexNet and downloads nothing. trunk: the file, if the
    user names it. Raises `UsageError` for an unknown `net`.
    """
    if net not in (*NETS, None):
        raise UsageError(f"unknown LPIPS net '{net}', expected {', '.join(NETS)}")
    return trunk or _cached_or_downloaded(net, say)


def cached_trunk(net: str) -> Path:
    """The file in torchvision's download cache that holds the trunk's weights, whether it exists or not."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(folder).expanduser() / "hub" / "checkpoints" / Path(TRUNKS[net].url).name


def _cached_or_downloaded(net: str | None, say: Callable[[str], None]) -> Path | None:
    path, weights = cached_trunk(net or ALEX), TRUNKS[net or ALEX]
    if path.exists():
        return path
    size = f"{weights.megabytes} MB"
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
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    sha256_start = path.stem.rsplit("-", 1)[1]  # part of torchvision's file names
    torch.hub.download_url_to_file(url, str(path), sha256_start, progress=False)
