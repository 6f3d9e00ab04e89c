"""The features of torchvision's Inception v3, for FID."""

from pathlib import Path

import numpy as np
import torch
import torchvision

from dd_tools.formats.external_weights import fingerprint, load_into, read_weights

INPUT_SIZE = 299  # pixels
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class Inception:
    """The pooled features of torchvision's Inception v3, with the weights in the file `path`.

    fingerprint: eight hexadecimal digits that identify the weights. Raises `DataError` for a file with other weights.
    """

    def __init__(self, path: Path, device: torch.device | str = "cpu"):
        state = read_weights(path)
        # torchvision's weights expect the input transform; the auxiliary classifier is not needed.
        self._network = torchvision.models.inception_v3(init_weights=False, aux_logits=False, transform_input=True)
        load_into(self._network, state, path, "Inception v3")
        self._network.fc = torch.nn.Identity()
        self._network.eval().to(device)
        self._device = device
        self.fingerprint = fingerprint(state)

    @torch.inference_mode()
    def features(self, frames: np.ndarray) -> np.ndarray:
        """Features float64 (B,2048) of frames uint8 (B,H,W,3) RGB."""
        images = torch.from_numpy(frames).to(self._device).movedim(-1, 1) / 255
        images = torch.nn.functional.interpolate(images, (INPUT_SIZE, INPUT_SIZE), mode="bilinear", antialias=True)
        mean, std = (torch.tensor(values, device=self._device)[:, None, None] for values in (_MEAN, _STD))
        return self._network((images - mean) / std).cpu().double().numpy()
