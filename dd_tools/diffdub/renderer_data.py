"""Training samples of stage 1: a frame, its face image, its mask, and another frame of the clip as reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dd_tools.diffdub.augmentation import augment_faces, draw_changes
from dd_tools.diffdub.diffusion import NUM_TIMESTEPS
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.nn.images import as_images
from dd_tools.training.chance import draw_below
from dd_tools.training.clip_files import FACE, FRAMES, MASK, ClipFiles
from dd_tools.training.clips import SpeakerBalance


class RendererData:
    """Samples for `MaskedDenoisingLoss` from clip files.

    speakers: clip name to speaker; speakers are drawn evenly. augment: whether to augment the face images. Raises
    `DataError` for a clip with another framing or without a usable frame.
    """

    def __init__(
        self, paths: Sequence[Path], config: RendererConfig, *, speakers: Mapping[str, str], augment: bool = True
    ):
        self.augment = augment
        self.clips = ClipFiles(paths, config.framing, eyes=config.eyes)
        self.balance = SpeakerBalance([path.stem for path in paths], speakers)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """frames, references and faces uint8 (B, S, S, 3), masks uint8 (B, S, S), t (B,), eps (B, 3, S, S).

        Also the numbers of `draw_changes`, if face images are to be augmented.
        """
        targets, references = self._draw_frames(generator, size)
        batch = {
            "frames": self.clips.read(FRAMES, targets),
            "references": self.clips.read(FRAMES, references),
            "faces": self.clips.read(FACE, targets),
            "masks": self.clips.read(MASK, targets),
            "t": torch.randint(NUM_TIMESTEPS, (size,), generator=generator),
        }
        batch["eps"] = torch.randn(batch["frames"].movedim(-1, 1).shape, generator=generator)
        return batch | (draw_changes(size, generator) if self.augment else {})

    def prepare(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """image, eps, reference and face (B, 3, S, S), mask (B, 1, S, S), t (B,)."""
        face = as_images(batch["faces"])
        return {
            "image": as_images(batch["frames"]),
            "reference": as_images(batch["references"]),
            "face": augment_faces(face, batch) if self.augment else face,
            "mask": batch["masks"][:, None].float(),
            "t": batch["t"],
            "eps": batch["eps"],
        }

    def _draw_frames(self, generator: torch.Generator, size: int) -> tuple[list[tuple[int, int]], ...]:
        """Targets and their references, each an index of a clip and one of a frame.

        As in the released code, the reference is any frame but the target; a clip of one frame has no other.
        """
        clips = self.balance.draw_many(size, generator)
        counts = torch.tensor([len(self.clips.usable[clip]) for clip in clips])
        targets = draw_below(counts, generator)
        others = (targets + 1 + draw_below(counts - 1, generator)) % counts
        usable = [self.clips.usable[clip] for clip in clips]
        return tuple(
            [(clip, int(frames[place])) for clip, frames, place in zip(clips, usable, places, strict=True)]
            for places in (targets.tolist(), others.tolist())
        )
