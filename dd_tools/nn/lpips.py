"""LPIPS v0.1, the perceptual distance of Zhang et al. 2018 ("The Unreasonable Effectiveness of Deep Features").

The package ``lpips`` contains the linear layers. The trunk below them is an ImageNet classifier, see
`dd_tools.nn.lpips_trunk`.
"""

import warnings
from pathlib import Path

import lpips
import numpy as np
import torch

from dd_tools.formats.external_weights import fingerprint, load_into, read_weights


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
