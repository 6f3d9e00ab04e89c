"""SyncNet (Chung and Zisserman 2016): embeds lips and audio in one space, where synchronous windows are close."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dd_tools.formats.external_weights import load_into, read_weights
from dd_tools.formats.history import sha256_of

# Of the authors' weights, see `dd_tools.evaluation.networks.SYNCNET_URL`.
PUBLIC_SHA256 = "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442"


class SyncNet(nn.Module):
    """The audio and the lip network. Parameters are named as in the public weights."""

    def __init__(self):
        super().__init__()
        pool, flat_pool = nn.MaxPool2d((3, 3), (1, 2)), {"kernel_size": (1, 3, 3), "stride": (1, 2, 2)}
        self.netcnnaud = nn.Sequential(
            *_conv(nn.Conv2d, 1, 64, 3, padding=1), nn.MaxPool2d(1, 1),
            *_conv(nn.Conv2d, 64, 192, 3, padding=1), pool,
            *_conv(nn.Conv2d, 192, 384, 3, padding=1),
            *_conv(nn.Conv2d, 384, 256, 3, padding=1),
            *_conv(nn.Conv2d, 256, 256, 3, padding=1), nn.MaxPool2d(3, 2),
            *_conv(nn.Conv2d, 256, 512, (5, 4)),
        )  # fmt: skip
        self.netcnnlip = nn.Sequential(
            *_conv(nn.Conv3d, 3, 96, (5, 7, 7), stride=(1, 2, 2)), nn.MaxPool3d(**flat_pool),
            *_conv(nn.Conv3d, 96, 256, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1)),
            nn.MaxPool3d(**flat_pool, padding=(0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), padding=(0, 1, 1)), nn.MaxPool3d(**flat_pool),
            *_conv(nn.Conv3d, 256, 512, (1, 6, 6)),
        )  # fmt: skip
        self.netfcaud, self.netfclip = _head(), _head()

    def audio(self, windows: Tensor) -> Tensor:
        """Embeddings (B,1024) of MFCC windows (B,20,13)."""
        return self.netfcaud(self.netcnnaud(windows.transpose(1, 2)[:, None]).flatten(1))

    def lips(self, faces: Tensor) -> Tensor:
        """Embeddings (T−4,1024) of all windows of five consecutive faces (T,3,224,224), BGR, 0 … 255.

        Only the first layer spans several frames, so overlapping windows are computed in one pass.
        """
        features = self.netcnnlip(faces.transpose(0, 1)[None])  # (1, 512, T−4, 1, 1)
        return self.netfclip(features[0, :, :, 0, 0].T)


def _conv(kind: type[nn.Module], inputs: int, outputs: int, kernel: int | Sequence[int], **options) -> list[nn.Module]:
    norm = nn.BatchNorm2d if kind is nn.Conv2d else nn.BatchNorm3d
    return [kind(inputs, outputs, kernel, **options), norm(outputs), nn.ReLU()]


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


class SyncExpert:
    """SyncNet with the weights in a file, on NumPy arrays.

    sha256: hexadecimal digest of the file. Raises `DataError` for a file with other weights.
    """

    def __init__(self, path: str | Path, device: torch.device | str = "cpu"):
        self.sha256 = sha256_of(path)
        self._network = SyncNet().eval()
        load_into(self._network, read_weights(path), path, "SyncNet")
        self._network.to(device)
        self._device = device

    @property
    def is_public(self) -> bool:
        """Whether these are the published weights; other weights give values that cannot be compared with others'."""
        return self.sha256 == PUBLIC_SHA256

    @torch.inference_mode()
    def lips(self, faces: np.ndarray) -> np.ndarray:
        """Embeddings float32 (T−4,1024) of faces uint8 (T,224,224,3) BGR; see `SyncNet.lips`."""
        return self._network.lips(torch.from_numpy(faces).to(self._device).movedim(-1, 1).float()).cpu().numpy()

    @torch.inference_mode()
    def audio(self, windows: np.ndarray) -> np.ndarray:
        """Embeddings float32 (B,1024) of MFCC windows (B,20,13); see `SyncNet.audio`."""
        return self._network.audio(torch.from_numpy(np.float32(windows)).to(self._device)).cpu().numpy()
