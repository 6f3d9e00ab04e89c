"""Augmentation of stage 2's samples: another face with another amplitude of motion, and silence.

Without other faces, a model memorises a few dozen training speakers and the amplitude of each.
"""

import torch
from torch import Tensor

from dd_tools.training.chance import happens

OTHER_FACE = 0.5  # probability
GAIN_STD = 0.3  # standard deviation of the logarithm of the gain of the amplitude
MIN_REFERENCES = 20  # fewer do not show the amplitude of a face
SILENCE = 0.3  # probability
SILENCE_LENGTH = 10, 60  # latents, shortest and longest
CLOSING = 4  # latents in which the mouth closes at the start of a silence, and opens at its end


def as_other_face(
    reference: Tensor, target: Tensor, closed: Tensor, difference: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Reference (N, Z), target (T, Z) and closed mouth (Z,) as if another person had said the same.

    With the probability `OTHER_FACE`, `difference` (Z,), the mean latent of another clip minus that of this one, is
    added to all, so that the effect of speech is learnt apart from identity. With `MIN_REFERENCES` or more, all
    are also scaled by a random gain about their means, so that the model takes the amplitude from the references.
    """
    if happens(OTHER_FACE, generator):
        reference, target, closed = reference + difference, target + difference, closed + difference
    gain = torch.exp(GAIN_STD * torch.randn((), generator=generator))
    if len(reference) >= MIN_REFERENCES:
        centre, target_centre = reference.mean(0), target.mean(0)
        reference, closed = (centre + gain * (latents - centre) for latents in (reference, closed))
        target = target_centre + gain * (target - target_centre)
    return reference, target, closed


def with_silence(
    speech: Tensor, target: Tensor, silence: Tensor, closed: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Speech (L, 2 T, D) and target (T, Z) with a silence inserted at random, and the degree of silence (T,), 0 to 1.

    In the silence, the target is the `closed` mouth (Z,). People who are filmed speaking hardly pause, so clips do not
    teach this. silence (L, 2 N, D): features of silence; where they are NaN, those of the speech are kept.
    """
    shortest, longest = SILENCE_LENGTH
    degree = torch.zeros(len(target))
    if not happens(SILENCE, generator):
        return speech, target, degree
    length = min(_between(shortest, longest, generator), len(target), silence.shape[1] // 2)
    start, stop = _span(len(target), length, generator)
    first, last = _span(silence.shape[1] // 2, length, generator)
    inserted, speech = silence[:, 2 * first : 2 * last], speech.clone()
    part = speech[:, 2 * start : 2 * stop]
    part.copy_(torch.where(inserted.isnan(), part, inserted))
    degree[start:stop] = _silence_ramp(length, start > 0, stop < len(target))
    return speech, torch.lerp(target, closed, degree[:, None]), degree


def _silence_ramp(length: int, closes: bool, opens: bool) -> Tensor:
    """Degree of silence (length,), which rises if the mouth `closes` and falls if it `opens`, over `CLOSING` latents.

    At an end of the sample, what lies beyond is unknown, and the mouth is closed throughout.
    """
    inside = torch.arange(1, length + 1)
    rise = inside if closes else torch.full_like(inside, CLOSING)
    fall = inside.flip(0) if opens else torch.full_like(inside, CLOSING)
    return (torch.minimum(rise, fall) / CLOSING).clamp(max=1)


def _between(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _span(total: int, length: int, generator: torch.Generator) -> tuple[int, int]:
    """Start and stop of a random stretch of `length` among `total` positions."""
    start = int(torch.randint(total - length + 1, (), generator=generator))
    return start, start + length
