"""Training samples of stage 1: a frame, its face image, its mask, and another frame of the clip as reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dd_tools.diffdub.augmentation import augment_face
from dd_tools.diffdub.autoencoder import RendererConfig
from dd_tools.diffdub.diffusion import NUM_TIMESTEPS
from dd_tools.face.face_images import face_images
from dd_tools.nn.images import to_images, to_masks
from dd_tools.training.clip_files import ClipFiles
from dd_tools.training.clips import SpeakerBalance, draw_from


class RendererData:
    """Samples for `MaskedDenoisingLoss` from clip files.

    speakers: clip name to speaker; speakers are drawn evenly. augment: whether to augment the face images. Raises
    `DataError` for a clip with another framing or without a usable frame.
    """

    def __init__(
        self, paths: Sequence[Path], config: RendererConfig, *, speakers: Mapping[str, str], augment: bool = True
    ):
        self.config, self.augment = config, augment
        self.clips = ClipFiles(paths, config.framing)
        self.balance = SpeakerBalance([path.stem for path in paths], speakers)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """image, eps, reference and face (B, 3, S, S), mask (B, 1, S, S), t (B,)."""
        samples = [self._sample(generator) for _ in range(size)]
        batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
        batch["t"] = torch.randint(NUM_TIMESTEPS, (size,), generator=generator)
        batch["eps"] = torch.randn(batch["image"].shape, generator=generator)
        return batch

    def _sample(self, generator: torch.Generator) -> dict[str, Tensor]:
        index = self.balance.draw(generator)
        clip, usable = self.clips[index], self.clips.usable[index]
        target = int(draw_from(usable, generator))
        # As in the released code, the reference is any frame but the target; a clip of one frame has no other.
        others = usable[usable != target]
        reference = int(draw_from(others if len(others) else usable, generator))
        (face,) = to_images(face_images(clip, [target], self.config.eyes))
        return {
            "image": to_images(clip.frames[target][None])[0],
            "reference": to_images(clip.frames[reference][None])[0],
            "face": augment_face(face, generator) if self.augment else face,
            "mask": to_masks(clip.mask[target][None])[0],
        }
