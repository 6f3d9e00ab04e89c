"""Settings of a training: length, batch size, learning rate."""

from dataclasses import dataclass

from dd_tools.errors import UsageError


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training.

    steps: optimiser steps.
    batch_size: samples per step and process.
    learning_rate: its peak.
    warmup: steps in which the learning rate rises linearly to the peak.
    decay: fraction of the steps, at the end, in which it falls linearly to zero.
    weight_decay: of AdamW.
    ema: decay of the exponential moving average; it is smaller in the first steps.
    clip: norm to which gradients are clipped.
    seed: of everything random.
    save_every: steps between two saves of the training state.
    log_every: steps between two rows of the log.
    workers: processes that load data.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int = 0
    decay: float = 0.0
    weight_decay: float = 0.0
    ema: float = 0.9999
    clip: float = 1.0
    seed: int = 0
    save_every: int = 1000
    log_every: int = 50
    workers: int = 0

    def __post_init__(self):
        for name in ("steps", "batch_size", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name.replace('_', ' ')} must be at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise UsageError(f"learning rate must be above 0, got {self.learning_rate}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of `step`, counted from 0: linear rise, plateau, linear fall."""
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        fall_steps = self.decay * self.steps
        fall = min(1.0, (self.steps - step) / fall_steps) if fall_steps else 1.0
        return self.learning_rate * rise * fall
