"""Augmentation of stage 2's samples: the same words from another face, which moves more or less; and silence."""

import torch
from torch import Tensor

SHIFTED = 0.5  # the share of samples that get another face
GAIN = 0.3  # deviation of the logarithm of how much more or less it moves
TELLING = 20  # references; fewer say too little about how far a face moves
SILENT = 0.3  # the share of samples with a silence in them
LASTING = (10, 60)  # latents it lasts, from and to
CLOSING = 4  # latents that a mouth takes to shut, and to open before it speaks again


def as_another_face(
    reference: Tensor, target: Tensor, rest: Tensor, difference: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Reference (N, Z), target (T, Z) and rest (Z,) as if another had spoken; not in the paper, and for few speakers.

    Half of the time `difference` (Z,), between the mean latents of another clip and this one, is added to all: what
    the voice does must then be learnt apart from whose face it is. And where the references are many enough to tell how
    far this face moves, all are scaled by a random factor, the references and the rest about the references' mean, the
    target about its own: the model must see it from the references.
    """
    if torch.rand((), generator=generator) < SHIFTED:
        reference, target, rest = reference + difference, target + difference, rest + difference
    gain = torch.exp(GAIN * torch.randn((), generator=generator))
    if len(reference) >= TELLING:
        shown, spoken = reference.mean(0), target.mean(0)
        reference, rest = (shown + gain * (latents - shown) for latents in (reference, rest))
        target = spoken + gain * (target - spoken)
    return reference, target, rest


def with_silence(
    speech: Tensor, target: Tensor, silence: Tensor, rest: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Speech (L, 2 T, D) and target (T, Z) in which, for `SILENT` of the samples, the voice is silent for a while and
    the face at `rest` (Z,); and how much it is (T,), 0 to 1. Clips of people who speak without a pause do not teach it.
    silence (L, 2 N, D): what the speech model hears then, NaN for what it heard anyway.
    """
    low, high = LASTING
    shut = torch.zeros(len(target))
    if torch.rand((), generator=generator) >= SILENT:
        return speech, target, shut
    lasting = min(int(torch.randint(low, high + 1, (), generator=generator)), len(target), silence.shape[1] // 2)
    start = int(torch.randint(len(target) - lasting + 1, (), generator=generator))
    heard = 2 * int(torch.randint(silence.shape[1] // 2 - lasting + 1, (), generator=generator))
    speech, stop = speech.clone(), start + lasting
    new = silence[:, heard : heard + 2 * lasting]
    speech[:, 2 * start : 2 * stop] = torch.where(new.isnan(), speech[:, 2 * start : 2 * stop], new)
    inside = torch.arange(1, lasting + 1)
    # At the sample's ends nothing is known of what was before or comes after: there the mouth is shut already.
    since = inside if start else torch.full_like(inside, CLOSING)
    until = inside.flip(0) if stop < len(target) else torch.full_like(inside, CLOSING)
    shut[start:stop] = (torch.minimum(since, until) / CLOSING).clamp(max=1)
    return speech, torch.lerp(target, rest, shut[:, None]), shut
