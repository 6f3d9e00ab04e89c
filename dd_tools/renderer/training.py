"""Training data of stage 1, and its presets for the training loop."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dd_tools.formats.clip import Clip
from dd_tools.renderer.augmentation import GENTLE, PAPER, FaceAugmentation, augment_face, augment_sample
from dd_tools.renderer.config import RendererConfig
from dd_tools.renderer.diffusion import NUM_TIMESTEPS
from dd_tools.renderer.images import to_images, to_masks
from dd_tools.renderer.inputs import shown
from dd_tools.renderer.references import APART, NOSE_AND_EYES, most_alike, places, unlikeness
from dd_tools.training.clips import SpeakerBalance, draw_from
from dd_tools.training.settings import TrainingSettings

TRAINING_PRESETS = {
    # The authors': Adam at a constant rate, after the public Diff-AE FFHQ-256 weights.
    "paper": TrainingSettings(steps=400_000, batch_size=16, learning_rate=1e-4),
    "default": TrainingSettings(steps=12_000, batch_size=16, learning_rate=5e-4, warmup=100, decay=0.4, ema=0.999),
    "tiny": TrainingSettings(steps=20, batch_size=2, learning_rate=1e-3, ema=0.9),
}


@dataclass(frozen=True)
class Recipe:
    """How samples are made and judged. augmentation: of face images, None for none. samples: whether whole samples are
    varied too (`augment_sample`). rectified: the share of samples that start from the network's own estimate; lips:
    how much more than other pixels those at the lips weigh (see `MaskedDenoising` for both).
    """

    augmentation: FaceAugmentation | None = None
    samples: bool = False
    rectified: float = 0.0
    lips: float = 0.0

    def unaugmented(self) -> "Recipe":
        """With samples as they are: an ablation, or because the one face to learn is not to look like many."""
        return replace(self, augmentation=None, samples=False)


RECIPES = {
    "paper": Recipe(PAPER),
    "default": Recipe(GENTLE, samples=True, rectified=0.5, lips=4.0),
    "tiny": Recipe(PAPER, samples=True, rectified=0.5),
}


class RendererData:
    """Samples for `MaskedDenoising` from clip files: a frame, others of the clip as references, mask, faces, noise.

    speakers: clip name to speaker, drawn evenly. Raises `DataError` for a clip of another framing or without a usable
    frame.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        config: RendererConfig,
        recipe: Recipe,
        *,
        speakers: dict[str, str] | None = None,
    ):
        self.config, self.recipe = config, recipe
        self.paths = list(paths)
        self.usable, self.pts, self.places = zip(*map(self._usable_frames, self.paths), strict=True)
        self.balance = SpeakerBalance([path.stem for path in self.paths], speakers or {})
        self._open: dict[int, Clip] = {}

    def _usable_frames(self, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Their indices, times and `places`."""
        with Clip(path) as clip:
            self.config.check_fits(clip)
            return clip.usable, clip.pts[clip.usable], places(clip.landmarks[clip.usable], clip.size)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """For `MaskedDenoising`: image, eps (B, 3, S, S), references (B, K, 3, S, S), faces (B, 1 + K, 3, S, S) and
        points (B, 1 + K, 25, 2) of the image and its references, mask (B, 1, S, S), t (B,), rectify bool (B,).
        """
        samples = [self._sample(generator) for _ in range(size)]
        batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
        batch["t"] = torch.randint(NUM_TIMESTEPS, (size,), generator=generator)
        batch["eps"] = torch.randn(batch["image"].shape, generator=generator)
        batch["rectify"] = torch.rand(size, generator=generator) < self.recipe.rectified
        return batch

    def _sample(self, generator: torch.Generator) -> dict[str, Tensor]:
        index = self.balance.draw(generator)
        clip = self._clip(index)
        painted = int(torch.randint(len(self.usable[index]), (), generator=generator))
        frame, references = int(self.usable[index][painted]), self._references(index, painted, generator)
        faces, points = shown(clip, [frame, *references], self.config.eyes)
        sample = {
            "image": to_images(clip.frames[frame][None])[0],
            "references": to_images(np.stack([clip.frames[other] for other in references])),
            "faces": faces,
            "points": points,
            "mask": to_masks(clip.mask[frame][None])[0],
        }
        if self.recipe.samples:
            sample = augment_sample(sample, generator)
        if self.recipe.augmentation:
            faces = [augment_face(face, self.recipe.augmentation, generator) for face in sample["faces"]]
            sample["faces"] = torch.stack(faces)
        return sample

    def _references(self, index: int, painted: int, generator: torch.Generator) -> list[int]:
        """Frames of a clip, chosen as for rendering the usable frame number `painted`, but whatever the light and from
        a few at random: from one frame alone, as of a still picture, from as many as are needed, or from more. A single
        reference is any frame.
        """
        count = self.config.references
        if count == 1:
            return [int(draw_from(self.usable[index], generator))]
        among = draw_from((1, count, 4 * count, 16 * count), generator)
        where, when = self.places[index], self.pts[index]
        far = np.flatnonzero(np.abs(when - when[painted]) >= APART)
        others = far if len(far) else np.arange(len(when))
        drawn = others[torch.randint(len(others), (among,), generator=generator).numpy()]
        known = where.shape[1] if self.config.z_points else len(NOSE_AND_EYES)
        unlike = unlikeness(where[[painted], :known], where[drawn])
        (chosen,) = most_alike(unlike, when[[painted]], when[drawn], count)
        return self.usable[index][drawn[chosen]].tolist()

    def _clip(self, index: int) -> Clip:
        """The clip, opened on first use: HDF5 files must not be open when reading processes are forked."""
        if index not in self._open:
            self._open[index] = Clip(self.paths[index])
        return self._open[index]
