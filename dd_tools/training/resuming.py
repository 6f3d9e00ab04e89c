"""Continuing an interrupted training: what must be the same as when its state was saved, and for whom it is read."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from dd_tools.errors import DataError, UsageError, first_line
from dd_tools.formats.checkpoint import Checkpoint, read_metadata, read_training_state
from dd_tools.reporting import SILENT, Reporter
from dd_tools.training.distributed import Processes
from dd_tools.training.state import TrainingState

PROGRESS = "steps done"  # the training note that changes from step to step
FREE = ("workers", "save_every", "log_every")  # the settings that change nothing that is learnt
SHOWN = 3  # of the differences, in a message
ABSENT, DAMAGED = -2, -1  # instead of the number of steps that a saved state has done


def resume_from(
    path: Path,
    state: TrainingState,
    expected: Checkpoint,
    processes: Processes,
    device: torch.device,
    *,
    allow_changes: bool = False,
    report: Reporter = SILENT,
) -> None:
    """Continue from the training state at `path` in all processes, if it exists.

    One process reads it for all. On machines without a shared disk, it is the one that finds the state of most steps:
    the first process, which saves the states, may have been on another machine before. One that cannot be read is
    reported, and counts only if there is no other.

    expected: the model and the training notes of this training. allow_changes: whether the notes may differ. Raises
    `DataError` if it is damaged or the state of another model, and `UsageError` if it is that of another training.
    """
    steps = processes.in_each(lambda: _steps_done(path))
    rank = steps.index(max(steps))
    if steps[processes.rank] == DAMAGED and steps[rank] > DAMAGED:
        report.say(f"cannot read '{path}'; continuing from the {steps[rank]} steps of process {rank}")
    if steps[rank] > ABSENT:
        tensors = processes.in_one(rank, lambda: _read(path, expected, allow_changes))
        tensors = processes.share_tensors(tensors, rank, device)
        try:
            state.restore(tensors)
        except (LookupError, RuntimeError, ValueError, TypeError) as error:
            raise DataError(
                f"cannot resume from '{path}': damaged training state ({first_line(error)}); "
                "remove it to start from the beginning"
            ) from None


def _steps_done(path: Path) -> int:
    """The number of steps that a saved state has done; 0 if it does not say so, `ABSENT` or `DAMAGED`."""
    try:
        if not path.exists():
            return ABSENT
        steps = read_metadata(path)["training"].get(PROGRESS)
    except (DataError, OSError):
        return DAMAGED
    return max(steps, 0) if isinstance(steps, int) else 0


def _read(path: Path, expected: Checkpoint, allow_changes: bool) -> dict[str, Tensor]:
    saved = read_training_state(path)
    if other := changes(_model(saved), _model(expected)):
        raise DataError(
            f"cannot resume from '{path}': it belongs to another model ({_listed(other)}); "
            "remove it to start from the beginning"
        )
    if not allow_changes and (changed := changes(_recipe(saved), _recipe(expected))):
        raise UsageError(
            f"cannot resume from '{path}': {_listed(changed)}; give the same options as before, or --allow-changes"
        )
    return saved.tensors


def _model(checkpoint: Checkpoint) -> dict:
    return {"stage": checkpoint.stage, "kind": checkpoint.kind, **checkpoint.config}


def _recipe(checkpoint: Checkpoint) -> dict:
    """The training notes, without what may change freely. The number of steps may, unless the learning rate falls."""
    notes = {name: value for name, value in checkpoint.training.items() if name != PROGRESS}
    settings = notes.pop("settings", {})
    free = FREE if settings.get("decay") else (*FREE, "steps")
    return {name: value for name, value in settings.items() if name not in free} | notes


def changes(saved: dict, given: dict) -> list[str]:
    """What differs between two sets of options, each with both values. Absent, None and False are the same.

    >>> changes({"seed": 0, "delays": {"a": 2}}, {"seed": 1, "delays": {}})
    ["seed was 0 and is 1", "delays of 'a' was 2 and is none"]
    """
    before, after = dict(_entries(saved)), dict(_entries(given))
    return [
        f"{name} was {_shown(before.get(name))} and is {_shown(after.get(name))}"
        for name in [*before, *(name for name in after if name not in before)]
        if before.get(name) != after.get(name)
    ]


def _entries(options: dict) -> Iterator[tuple[str, object]]:
    """Names and values, with those of inner tables one by one."""
    for name, value in options.items():
        words = name.replace("_", " ")
        if isinstance(value, dict):
            yield from ((f"{words} of '{item}'", one) for item, one in value.items())
        elif value is not None and value is not False:
            yield words, list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list) and len(value) > SHOWN:
        return f"{len(value)} from '{value[0]}' to '{value[-1]}'"
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def _listed(differences: list[str]) -> str:
    more = len(differences) - SHOWN
    return ", ".join(differences[:SHOWN]) + (f" and {more} more" if more > 0 else "")
