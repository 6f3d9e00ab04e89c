"""Random choices of augmentations, drawn from a generator, so that training can be repeated and continued."""

import torch


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """A random number between `low` and `high`."""
    return low + (high - low) * torch.rand((), generator=generator).item()


def happens(probability: float, generator: torch.Generator) -> bool:
    """True with this probability, 0 to 1."""
    return torch.rand((), generator=generator).item() < probability
