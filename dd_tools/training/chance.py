"""Random choices of augmentations, drawn from a generator, so that training can be repeated and continued."""

import torch
from torch import Tensor


def happens(probability: float, generator: torch.Generator) -> bool:
    """True with this probability, 0 to 1."""
    return torch.rand((), generator=generator).item() < probability


def uniform(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Random numbers float32 of a shape, evenly between `low` and `high`."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def rows_where(probability: float, count: int, generator: torch.Generator) -> Tensor:
    """The rows, of `count`, to which something happens with this probability each: rising numbers int64 (n,)."""
    return torch.nonzero(torch.rand(count, generator=generator) < probability)[:, 0]


def draw_below(limits: Tensor, generator: torch.Generator) -> Tensor:
    """A whole number for each of the `limits` (any shape), evenly from 0 to below it; int64."""
    return (torch.rand(limits.shape, dtype=torch.float64, generator=generator) * limits).long()


def draw_weighted(weights: Tensor, generator: torch.Generator) -> int:
    """The index of one of the `weights` (N,), not all 0, with a probability in proportion to it."""
    total = weights.double().cumsum(0)
    place = torch.rand(1, dtype=torch.float64, generator=generator) * total[-1]
    return int(torch.searchsorted(total, place, right=True))
