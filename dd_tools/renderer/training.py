"""Training data of stage 1, and its presets for the training loop."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.geometry import face_image
from dd_tools.formats.clip import Clip
from dd_tools.renderer.augmentation import GENTLE, PAPER, FaceAugmentation, augment_face, augment_pair
from dd_tools.renderer.config import RendererConfig
from dd_tools.renderer.diffusion import NUM_TIMESTEPS
from dd_tools.renderer.images import to_images, to_masks
from dd_tools.training.clips import SpeakerBalance, draw_from
from dd_tools.training.settings import TrainingSettings

TRAINING_PRESETS = {
    # The authors': Adam at a constant rate, after the public Diff-AE FFHQ-256 weights.
    "paper": TrainingSettings(steps=400_000, batch_size=16, learning_rate=1e-4),
    "default": TrainingSettings(steps=6_000, batch_size=16, learning_rate=5e-4, warmup=100, decay=0.4, ema=0.999),
    "tiny": TrainingSettings(steps=20, batch_size=2, learning_rate=1e-3, ema=0.9),
}


# By preset: the augmentation of the face image, and whether whole samples are mirrored and recoloured.
AUGMENTATIONS = {"paper": (PAPER, False), "default": (GENTLE, True), "tiny": (PAPER, True)}

# By preset: the share of samples that start from the network's own estimate (see `MaskedDenoising`).
RECTIFIED = {"paper": 0.0, "default": 0.5, "tiny": 0.5}


class RendererData:
    """Samples for `MaskedDenoising` from clip files: a frame, another frame of the clip as reference, mask, face image,
    noise.

    speakers: clip name to speaker, drawn evenly. augmentation: of the face image, None for none. pairs: also mirror and
    recolour whole samples. rectified: the share of samples marked so (see `MaskedDenoising`). Raises `DataError` for a
    clip of another framing or without a usable frame.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        config: RendererConfig,
        *,
        speakers: dict[str, str] | None = None,
        augmentation: FaceAugmentation | None = None,
        pairs: bool = False,
        rectified: float = 0.0,
    ):
        self.config, self.augmentation, self.pairs, self.rectified = config, augmentation, pairs, rectified
        self.paths = list(paths)
        self.usable = [self._usable_frames(path) for path in self.paths]
        self.balance = SpeakerBalance([path.stem for path in self.paths], speakers or {})
        self._open: dict[int, Clip] = {}

    def _usable_frames(self, path: Path) -> np.ndarray:
        with Clip(path) as clip:
            self.config.check_fits(clip)
            return clip.usable

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """For `MaskedDenoising`: image, reference, their face and reference_face, eps (B, 3, S, S), mask (B, 1, S, S),
        t (B,), rectify bool (B,).
        """
        samples = [self._sample(generator) for _ in range(size)]
        batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
        batch["t"] = torch.randint(NUM_TIMESTEPS, (size,), generator=generator)
        batch["eps"] = torch.randn(batch["image"].shape, generator=generator)
        batch["rectify"] = torch.rand(size, generator=generator) < self.rectified
        return batch

    def _sample(self, generator: torch.Generator) -> dict[str, Tensor]:
        index = self.balance.draw(generator)
        clip = self._clip(index)
        frame, other = (int(draw_from(self.usable[index], generator)) for _ in range(2))
        sample = {
            "image": to_images(clip.frames[frame][None])[0],
            "reference": to_images(clip.frames[other][None])[0],
            "face": to_images(face_of(clip, frame, self.config.eyes)[None])[0],
            "reference_face": to_images(face_of(clip, other, self.config.eyes)[None])[0],
            "mask": to_masks(clip.mask[frame][None])[0],
        }
        if self.pairs:
            sample = augment_pair(sample, generator)
        if self.augmentation:
            for name in ("face", "reference_face"):
                sample[name] = augment_face(sample[name], self.augmentation, generator)
        return sample

    def _clip(self, index: int) -> Clip:
        """The clip, opened on first use: HDF5 files must not be open when reading processes are forked."""
        if index not in self._open:
            self._open[index] = Clip(self.paths[index])
        return self._open[index]


def face_of(clip: Clip, frame: int, eyes: bool) -> np.ndarray:
    """The face image uint8 (F, F, 3) of one frame, with or without the eyes' band (the eye guidance of section 2.1)."""
    if eyes:
        return clip.face[frame]
    return face_image(clip.frames[frame], clip.landmarks[frame], clip.face_size, eyes=False)
