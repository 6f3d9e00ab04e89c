"""Training samples of stage 2: up to 10 s of a clip as target, the next 3 s as reference (released code)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dd_tools.diffdub.motion_network import MotionConfig
from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.nn.padding import pad_sequences
from dd_tools.training.clips import SpeakerBalance
from dd_tools.training.sequences import ClipSequences, check_sizes

TARGET = 10 * LATENT_RATE  # latents
REFERENCE = 3 * LATENT_RATE  # latents


class MotionData:
    """Samples for `LatentLoss`. Clips of less than 13 s are divided in the same proportion.

    speakers: clip name to speaker; speakers are drawn evenly. Raises `DataError` for a clip that does not fit.
    """

    def __init__(self, clips: Sequence[ClipSequences], config: MotionConfig, speakers: Mapping[str, str]):
        check_sizes(clips, (config.speech_layers, config.speech_width, config.z_size))
        self.clips = list(clips)
        self.balance = SpeakerBalance([clip.name for clip in clips], speakers)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """speech float16 (B, L, T₅₀, D), reference (B, N, Z) and target (B, T₂₅, Z), zero-padded to the longest.

        speech_valid (B, T₅₀) and reference_valid (B, N) are False in the padding.
        """
        speech, reference, target = zip(*(self._sample(generator) for _ in range(size)), strict=True)
        padded, speech_valid = pad_sequences([features.transpose(0, 1) for features in speech])
        references, reference_valid = pad_sequences(reference)
        return {
            "speech": padded.transpose(1, 2),
            "speech_valid": speech_valid,
            "reference": references,
            "reference_valid": reference_valid,
            "target": pad_sequences(target)[0],
        }

    def prepare(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch as it is."""
        return batch

    def _sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Speech (L, 2 T, D), reference (N, Z) and target (T, Z) of one clip."""
        clip = self.clips[self.balance.draw(generator)]
        total = min(len(clip.latents), TARGET + REFERENCE)
        start = int(torch.randint(len(clip.latents) - total + 1, (), generator=generator))
        middle = start + max(1, total * TARGET // (TARGET + REFERENCE))
        speech = torch.from_numpy(np.array(clip.speech[:, 2 * start : 2 * middle]))
        reference = torch.from_numpy(clip.latents[middle : start + total])
        return speech, reference, torch.from_numpy(clip.latents[start:middle])
