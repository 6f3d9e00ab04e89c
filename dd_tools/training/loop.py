"""The training loop of both stages.

Everything random in step N is drawn from a seed made of (seed, N, rank), so a resumed run needs no generator state to
repeat the numbers of an uninterrupted one.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from dd_tools.formats.checkpoint import Checkpoint, write_checkpoint
from dd_tools.training.distributed import workers
from dd_tools.training.log import TrainingLog
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.state import TrainingState, state_path

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TrainingData(Protocol):
    """What a stage trains on."""

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """`size` samples, drawn with `generator` alone: everything the objective needs, noise included."""


class _Batches(Dataset):
    """The batch of every step, for a `DataLoader` to fetch ahead in other processes."""

    def __init__(self, data: TrainingData, settings: TrainingSettings, rank: int):
        self.data, self.settings, self.rank = data, settings, rank

    def __len__(self) -> int:
        return self.settings.steps

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(step_seed(self.settings.seed, step, self.rank))
        return self.data.batch(generator, self.settings.batch_size)


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of one step of one process: 32 well-mixed bits, all that PyTorch's CPU generator takes in."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])


def ema_update(most: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Exponential moving average that keeps less of the first steps: min(most, (1 + n) / (10 + n))."""

    def update(average: Tensor, current: Tensor, count: Tensor) -> Tensor:
        keep = min(most, (1 + count.item()) / (10 + count.item()))
        return average.lerp(current, 1 - keep)

    return update


def new_state(objective: nn.Module, settings: TrainingSettings, device: torch.device, dtype: str) -> TrainingState:
    """Everything that changes while ``objective.model`` is trained, before the first step."""
    average = AveragedModel(objective.model, avg_fn=ema_update(settings.ema))
    optimizer = torch.optim.AdamW(
        objective.model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == "fp16")
    return TrainingState(objective.model, average, optimizer, scaler)


def train(
    objective: nn.Module,
    data: TrainingData,
    settings: TrainingSettings,
    checkpoint: Checkpoint,
    output: Path,
    *,
    device: torch.device,
    dtype: str = "fp32",
    resume: bool = False,
    tensorboard: Path | None = None,
    progress: Callable[[Iterator[int], int, Callable[[], str]], Iterator[int]] = lambda steps, *_: steps,
) -> bool:
    """Train ``objective.model`` to minimise ``objective(batch)`` and write its moving average to `output`.

    checkpoint: kind, configuration, training notes and history of the output; its tensors are filled in here. While
    training, the state lies in `state_path(output)` and the log beside it as CSV; `output` appears when the last step
    is done. progress: takes the iterator of steps, their number, and a function that words the latest loss. Returns
    whether training finished: False after SIGTERM or SIGINT, which save the state first.
    """
    state_file = state_path(output)
    with workers(device) as (team, device), _stop_on_signals() as stopped:
        objective = objective.to(device).train()
        state = new_state(objective, settings, device, dtype)
        if resume and state_file.exists():
            state.load(state_file, checkpoint.kind, checkpoint.config)
        notes = checkpoint.training | {"settings": asdict(settings), "processes": team.count}

        parallel = team.wrap(objective, device)
        batches = DataLoader(
            _Batches(data, settings, team.rank),
            batch_size=None,
            sampler=range(state.step, settings.steps),
            num_workers=settings.workers,
            persistent_workers=False,
        )
        log = TrainingLog(output.with_suffix(".csv"), state.step, tensorboard) if team.leads else None
        began, latest = time.monotonic(), {"loss": float("nan")}

        steps = progress(iter(range(state.step, settings.steps)), settings.steps, lambda: f"loss {latest['loss']:.4f}")
        for step, batch in zip(steps, batches, strict=False):
            torch.manual_seed(step_seed(settings.seed, step, team.rank))  # dropout
            rate = settings.learning_rate_at(step)
            with torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "fp32"):
                loss = parallel({name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()})
            norm = state.update(loss, rate, settings.clip)

            stop = team.agree(stopped.is_set(), device)
            if state.step % settings.log_every == 0 or state.step == settings.steps or stop:
                latest["loss"] = team.mean(loss)
                if log:
                    log.write(
                        step=state.step,
                        loss=latest["loss"],
                        learning_rate=rate,
                        gradient_norm=norm,
                        seconds=time.monotonic() - began,
                    )
            if team.leads and (state.step % settings.save_every == 0 or stop):
                state.save(state_file, checkpoint.kind, checkpoint.config, notes | {"steps done": state.step})
            if stop:
                break
        del parallel  # nothing may hold the team's group when it is left
        if log:
            log.close()
        finished = state.step >= settings.steps
        if team.leads and finished:
            checkpoint.tensors = state.average.module.state_dict()
            checkpoint.training = notes | {"steps done": state.step}
            write_checkpoint(output, checkpoint)
            state_file.unlink(missing_ok=True)
    return finished


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM (a scheduler's notice) or Ctrl-C sets, so that the step at hand is finished and saved."""
    stopped = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
