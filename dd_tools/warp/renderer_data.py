"""Training samples of stage 1: a frame and its mask, reference frames of its clip, face images and landmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dd_tools.face.face_images import face_images
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.formats.clip import Clip
from dd_tools.nn.images import to_images, to_masks
from dd_tools.training.clip_files import ClipFiles
from dd_tools.training.clips import SpeakerBalance
from dd_tools.warp.augmentation import augment_face, augment_sample
from dd_tools.warp.drawn_references import draw_references
from dd_tools.warp.latents import relative_to_crop
from dd_tools.warp.network import RendererConfig
from dd_tools.warp.references import comparison_points


class RendererData:
    """Samples for `PaintingLoss` from clip files.

    speakers: clip name to speaker; speakers are drawn evenly. augment: whether to augment the samples. Raises
    `DataError` for a clip with another framing or without a usable frame.
    """

    def __init__(
        self, paths: Sequence[Path], config: RendererConfig, *, speakers: Mapping[str, str], augment: bool = True
    ):
        self.config, self.augment = config, augment
        self.clips = ClipFiles(paths, config.framing)
        self.pts, self.points = zip(*self.clips.summarise(_times_and_points), strict=True)
        self.balance = SpeakerBalance([path.stem for path in paths], speakers)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """image (B, 3, S, S), mask (B, 1, S, S), references (B, K, 3, S, S).

        Of the image and its references also faces (B, 1 + K, 3, S, S), and landmarks (B, 1 + K, 25, 2) from −1 to 1
        across the crop.
        """
        samples = [self._sample(generator) for _ in range(size)]
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

    def _sample(self, generator: torch.Generator) -> dict[str, Tensor]:
        index = self.balance.draw(generator)
        clip, usable = self.clips[index], self.clips.usable[index]
        target = int(torch.randint(len(usable), (), generator=generator))
        references = draw_references(self.points[index], self.pts[index], target, self.config.references, generator)
        frame, references = int(usable[target]), usable[references].tolist()
        landmarks = clip.landmarks[[frame, *references]][:, MOUTH_REGION]
        sample = {
            "image": to_images(clip.frames[frame][None])[0],
            "references": to_images(np.stack([clip.frames[other] for other in references])),
            "faces": to_images(face_images(clip, [frame, *references], self.config.eyes)),
            "landmarks": torch.from_numpy(relative_to_crop(landmarks, clip.size)).float(),
            "mask": to_masks(clip.mask[frame][None])[0],
        }
        if self.augment:
            sample = augment_sample(sample, generator)
            sample["faces"] = torch.stack([augment_face(face, generator) for face in sample["faces"]])
        return sample


def _times_and_points(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Times and `comparison_points` of the usable frames."""
    return clip.pts[clip.usable], comparison_points(clip.landmarks[clip.usable], clip.size)
