"""A training whose problem is one line, for tests of the loop."""

import csv
import os
import signal

import torch
from torch import nn

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import RENDERER, Checkpoint
from dd_tools.reporting import Silent
from dd_tools.training.loop import train
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.task import TrainingTask

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(
    steps=12, batch_size=4, learning_rate=0.05, warmup=2, decay=0.5, ema=0.9, save_every=5, log_every=4
)


class Line(nn.Module):
    """Fits y = 2x with dropout on the way, so that unseeded randomness would show."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 1))

    def forward(self, batch):
        return (self.model(batch["x"]) - 2 * batch["x"]).square().mean()


class Points:
    """Random numbers; `stop_at`: the batch before which the process is asked to stop."""

    def __init__(self, stop_at=None):
        self.calls, self.stop_at = 0, stop_at

    def batch(self, generator, size):
        self.calls += 1
        if self.calls == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"x": torch.randn(size, 1, generator=generator)}

    def prepare(self, batch):
        return batch


def run(output, data=None, settings=SETTINGS, checkpoint=None, **options) -> bool:
    task = TrainingTask(Line(), data or Points(), checkpoint or Checkpoint(RENDERER, "line", {"made": "up"}))
    return train(task, settings, output, device=CPU, **options)


class Damaged(Points):
    """Points that cannot be read any more from one batch on."""

    def __init__(self, count: int):
        super().__init__()
        self.count = count

    def batch(self, generator, size):
        batch = super().batch(generator, size)
        if self.calls > self.count:
            raise DataError("cannot read 'a.h5': damaged clip file")
        return batch


class Stopping(Silent):
    """Asks the process to stop in one step. Loading processes cannot, as their numbers run ahead."""

    def __init__(self, step: int):
        self.step = step

    def training(self, steps, total, text):
        for step in steps:
            if step == self.step:
                os.kill(os.getpid(), signal.SIGTERM)
            yield step


def rows(output) -> list[dict]:
    with open(output.with_suffix(".csv"), newline="") as stream:
        return list(csv.DictReader(stream))
