"""Augmentation of stage 2's latents: the same words from another face, which moves more or less."""

import torch
from torch import Tensor

SHIFTED = 0.5  # the share of samples that get another face
GAIN = 0.3  # deviation of the logarithm of how much more or less it moves
TELLING = 20  # references; fewer say too little about how far a face moves


def as_another_face(
    reference: Tensor, target: Tensor, difference: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Reference (N, Z) and target (T, Z) as if another had spoken; not in the paper, and for few speakers.

    Half of the time `difference` (Z,), between the mean latents of another clip and this one, is added to both: what
    the voice does must then be learnt apart from whose face it is. And where the references are many enough to tell how
    far this face moves, both are scaled by a random factor, each about its own mean: the model must see it from them.
    """
    if torch.rand((), generator=generator) < SHIFTED:
        reference, target = reference + difference, target + difference
    gain = torch.exp(GAIN * torch.randn((), generator=generator))
    if len(reference) >= TELLING:
        reference, target = (scaled_about_mean(latents, gain) for latents in (reference, target))
    return reference, target


def scaled_about_mean(latents: Tensor, gain: Tensor) -> Tensor:
    """Latents (N, Z) with `gain` times their differences from their mean."""
    mean = latents.mean(0)
    return mean + gain * (latents - mean)
