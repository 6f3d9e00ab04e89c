"""What the training loop trains, and the presets that describe it."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from dd_tools.formats.checkpoint import Checkpoint
from dd_tools.nn.config import Config
from dd_tools.training.settings import TrainingSettings


class TrainingData(Protocol):
    """The samples of a stage."""

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """`size` samples drawn with `generator` alone: everything the objective needs, noise included."""


@dataclass
class TrainingTask:
    """One training.

    objective: a module whose ``model`` is trained to minimise ``objective(batch)``, a scalar.
    data: gives the batches.
    checkpoint: stage, kind, configuration, training notes and history of the output; the loop fills in its tensors.
    """

    objective: nn.Module
    data: TrainingData
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Preset:
    """A named choice of sizes and training settings."""

    config: Config
    settings: TrainingSettings
