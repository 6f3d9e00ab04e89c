"""What the training loop needs to know of a stage, and the presets."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from dd_tools.formats.checkpoint import Checkpoint
from dd_tools.nn.config import Config
from dd_tools.training.settings import TrainingSettings


class TrainingData(Protocol):
    """The training samples of a stage."""

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """`size` samples, on the CPU, as compact as they can be sent: frames are uint8.

        Everything random comes from `generator`, noise and the choices of augmentations included.
        """

    def prepare(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the objective takes, from a batch on the training device. Nothing here is random."""


@dataclass
class TrainingTask:
    """One training.

    objective: a module whose ``model`` is trained to minimise ``objective(batch)``, a scalar.
    data: source of the batches.
    checkpoint: stage, kind, configuration, training notes and history of the output; the loop fills in its tensors.
    """

    objective: nn.Module
    data: TrainingData
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Preset:
    """The sizes of a network, and settings for its training."""

    config: Config
    settings: TrainingSettings
