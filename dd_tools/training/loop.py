"""The training loop of both stages.

Everything random in step N is drawn from a seed made of (seed, N, rank). So a resumed run repeats the numbers of an
uninterrupted one without a saved generator state.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from dd_tools.errors import DataError, message_of
from dd_tools.formats.checkpoint import Checkpoint, write_checkpoint
from dd_tools.formats.companions import companion
from dd_tools.nn.device import DTYPES, arithmetic, choose_dtype, memory_errors
from dd_tools.reporting import SILENT, Reporter
from dd_tools.stopping import postponed_signals
from dd_tools.training.distributed import Processes, join_processes
from dd_tools.training.log import TrainingLog
from dd_tools.training.resuming import PROGRESS, resume_from
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.state import TrainingState, state_path
from dd_tools.training.task import TrainingData, TrainingTask

PREFETCH = 4  # batches that each loading process keeps ready
# Bytes of the folder in which `multiprocessing` makes its sockets: a socket's path has at most 103 (macOS; Linux 107).
LONGEST_SOCKET_FOLDER = 103 - len("/pymp-01234567/listener-01234567")
DROPOUT = 1  # purpose of a `step_seed`


def train(
    task: TrainingTask,
    settings: TrainingSettings,
    output: Path,
    *,
    device: torch.device,
    dtype: str = "fp32",
    resume: bool = False,
    allow_changes: bool = False,
    tensorboard: Path | None = None,
    report: Reporter = SILENT,
) -> bool:
    """Train a model and write its exponential moving average to `output`.

    While training, the state is in `state_path(output)` and the log beside it as CSV; `output` appears after the last
    step. dtype: see `choose_dtype`, fast. resume: continue from the state, if there is one. allow_changes: even if
    settings or data have changed since. tensorboard: folder for TensorBoard.

    Returns whether the training finished. A signal of `dd_tools.stopping` ends it after the current step; the state is
    saved, then the handler that the program had for the signal is called, such as Python's for Ctrl-C; without one, or
    if another process got the signal, False is returned. Only the main thread receives signals; in another thread, the
    training always runs to its end. Raises `DataError` if the state is that of another model or the memory is too
    small, and `UsageError` if it is that of another training. A `DataError` of the data ends the training in all
    processes after the state is saved, and is raised in all.
    """
    state_file = state_path(output)
    with (
        join_processes(device) as (processes, device),
        memory_errors(device, "use a smaller --batch-size"),
        postponed_signals() as stopped,
    ):
        dtype = choose_dtype(dtype, device, fast=True)
        objective = task.objective.to(device).train()
        state = new_state(objective, settings, device, dtype)
        checkpoint = _with_notes(task, settings, processes, dtype)
        if resume:
            resume_from(state_file, state, checkpoint, processes, device, allow_changes=allow_changes, report=report)
        parallel = processes.wrap(objective, device)
        with _log(processes, output, state, tensorboard) as record:
            start, stop, failure = state.step, False, None
            for step, batch in _steps(task, settings, state, processes, device, report, record):
                failure = batch if isinstance(batch, DataError) else None
                if processes.any(stop or failure is not None, device):
                    break
                torch.manual_seed(step_seed(settings.seed, step, processes.rank, DROPOUT))
                rate = settings.learning_rate_at(step)
                with arithmetic(device, DTYPES[dtype], deterministic=False):
                    loss = parallel(prepared(task.data, batch, device))
                with arithmetic(device, torch.float32, deterministic=False):
                    norm = state.update(loss, rate, settings.clip)
                if state.step % settings.log_every == 0 or state.step == settings.steps:
                    record(state.step, processes.mean(loss), rate, norm.item())
                if processes.is_first and state.step % settings.save_every == 0:
                    _save(state, state_file, checkpoint, record)
                stop = bool(stopped.number)
            finished = state.step >= settings.steps
            if saved := processes.is_first and start < state.step < settings.steps:
                _save(state, state_file, checkpoint, record)
        del parallel  # nothing may hold the process group when it is left
        if finished:
            weights = replace(_after(state, checkpoint), tensors=state.average.module.state_dict())
            processes.in_one(0, lambda: write_checkpoint(output, weights))
            state_file.unlink(missing_ok=True)  # of every process, as on machines without a shared disk
        failures = processes.in_each(lambda: failure)
    if not finished:
        if saved:
            report.say("the training state is saved, continue with --resume")
        for error in filter(None, failures):
            raise error
        stopped.deliver()
    return finished


def new_state(objective: nn.Module, settings: TrainingSettings, device: torch.device, dtype: str) -> TrainingState:
    """The state before the first step of the training of ``objective.model``."""
    average = AveragedModel(objective.model)
    average.multi_avg_fn = ema_update(settings.ema, lambda: int(average.n_averaged))
    optimizer = torch.optim.AdamW(
        objective.model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == "fp16")
    return TrainingState(objective.model, average, optimizer, scaler)


def ema_update(decay: float, count: Callable[[], int]) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """Exponential moving average whose decay warms up: min(decay, (1 + n) / (10 + n)) in update n, for `AveragedModel`.

    count: returns n. `AveragedModel` also passes it, but on the GPU, which would have to be waited for.
    """

    def update(averages: list[Tensor], current: list[Tensor], on_device: Tensor) -> None:
        number = count()
        get_ema_multi_avg_fn(min(decay, (1 + number) / (10 + number)))(averages, current, on_device)

    return update


def step_seed(seed: int, step: int, rank: int, *purpose: int) -> int:
    """The seed of one step of one process: 32 well-mixed bits, as PyTorch's CPU generator uses no more.

    purpose: number of what is drawn, if it is not the batch, so that each has random numbers of its own.
    """
    return int(np.random.SeedSequence((seed, step, rank, *purpose)).generate_state(1)[0])


class _Batches(Dataset):
    """The batch of every step, for a `DataLoader` to prefetch in other processes."""

    def __init__(self, data: TrainingData, settings: TrainingSettings, rank: int):
        self.data, self.settings, self.rank = data, settings, rank

    def __len__(self) -> int:
        return self.settings.steps

    def __getitem__(self, step: int) -> dict[str, Tensor] | DataError:
        """A batch, or the error that was raised instead: a loader process could only send its traceback as a text."""
        generator = torch.Generator().manual_seed(step_seed(self.settings.seed, step, self.rank))
        try:
            return self.data.batch(generator, self.settings.batch_size)
        except DataError as error:
            return error
        except OSError as error:
            return DataError(f"cannot load training data: {message_of(error)}")


@torch.no_grad()
def prepared(data: TrainingData, batch: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """A batch of `data`, on the device, as the objective takes it."""
    return data.prepare({name: tensor.to(device, non_blocking=tensor.is_pinned()) for name, tensor in batch.items()})


def loading(
    data: TrainingData, settings: TrainingSettings, steps: range, rank: int, device: torch.device
) -> DataLoader:
    """The batches of `steps`, in pinned memory if they are for a GPU.

    The loading processes live as long as the iteration, and compute with one thread each. Raises `DataError` if they
    cannot send what they load.
    """
    folder = tempfile.gettempdir()
    if settings.workers and len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
        # The error of a loading process would not arrive either, and the training would wait for ever.
        raise DataError(
            f"cannot load data with --workers: the path of the folder of temporary files, '{folder}', is longer than "
            f"{LONGEST_SOCKET_FOLDER} bytes; set TMPDIR to a shorter one"
        )
    return DataLoader(
        _Batches(data, settings, rank),
        batch_size=None,
        sampler=steps,
        num_workers=settings.workers,
        prefetch_factor=PREFETCH if settings.workers else None,
        pin_memory=device.type == "cuda",
    )


def _steps(
    task: TrainingTask,
    settings: TrainingSettings,
    state: TrainingState,
    processes: Processes,
    device: torch.device,
    report: Reporter,
    record: "_Record",
) -> Iterator[tuple[int, dict[str, Tensor] | DataError]]:
    """The numbers of the remaining steps, each with its batch, or the error for which there is none."""
    steps = range(state.step, settings.steps)
    reported = report.training(iter(steps), settings.steps, lambda: f"loss {record.latest:.4f}")
    return zip(reported, loading(task.data, settings, steps, processes.rank, device), strict=False)


class _Record:
    """Writes rows of the log, if this process has one, and remembers the latest loss.

    seconds: that the training took before.
    """

    def __init__(self, log: TrainingLog | None, seconds: float):
        self.log, self.latest, self._start = log, float("nan"), time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """That the training took so far, in all runs together."""
        return time.monotonic() - self._start

    def __call__(self, step: int, loss: float, rate: float, norm: float) -> None:
        self.latest = loss
        if self.log:
            self.log.write(step=step, loss=loss, learning_rate=rate, gradient_norm=norm, seconds=self.seconds)


@contextmanager
def _log(processes: Processes, output: Path, state: TrainingState, tensorboard: Path | None) -> Iterator[_Record]:
    log = (
        TrainingLog(companion(output.with_name(output.stem), ".csv"), state.step, tensorboard)
        if processes.is_first
        else None
    )
    try:
        yield _Record(log, state.seconds)
    finally:
        if log:
            log.close()


def _with_notes(task: TrainingTask, settings: TrainingSettings, processes: Processes, dtype: str) -> Checkpoint:
    """The task's checkpoint, with all that the result depends on in its training notes."""
    notes = {"settings": asdict(settings), "processes": processes.count, "dtype": dtype}
    return replace(task.checkpoint, training=task.checkpoint.training | notes)


def _save(state: TrainingState, path: Path, checkpoint: Checkpoint, record: _Record) -> None:
    state.seconds = record.seconds
    state.save(path, _after(state, checkpoint))


def _after(state: TrainingState, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the number of steps in its training notes."""
    return replace(checkpoint, training=checkpoint.training | {PROGRESS: state.step})
