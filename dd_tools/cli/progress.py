"""Progress on standard error: bars on a terminal, plain lines in a log."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

LINES = 10  # of a loop of known length
ASSUMED_LENGTH = 5000  # of a loop of unknown length, to space its lines
TRAINING_STEPS = 100  # between two lines


def bar(steps: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:
    """Pass `steps` through and draw a progress bar. total: their number, None if unknown."""
    with _progress() as progress:
        yield from progress.track(steps, total=total, description=label)


def lines(steps: Iterable[Item], total: int | None, label: str, say: Callable[[str], None]) -> Iterator[Item]:
    """Pass `steps` through and print about `LINES` lines. total: their number, None if unknown."""
    every = max(1, (total or ASSUMED_LENGTH) // LINES)
    for count, step in enumerate(steps, start=1):
        yield step
        if count % every == 0:
            say(f"{label}: {count}/{total}" if total else f"{label}: {count}")


def training_bar(steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
    """Pass step numbers through and draw a progress bar with the loss."""
    with _progress() as progress:
        task = progress.add_task("training", total=total)
        for step in steps:
            progress.update(task, completed=step, description=describe())
            yield step


def training_lines(
    steps: Iterator[int], total: int, describe: Callable[[], str], say: Callable[[str], None]
) -> Iterator[int]:
    """Pass step numbers through and print the loss every `TRAINING_STEPS` steps."""
    for step in steps:
        if step and step % TRAINING_STEPS == 0:
            say(f"step {step}/{total}, {describe()}")
        yield step


def is_rank_zero() -> bool:
    """Whether this is the first, or only, process of a run under torchrun."""
    return os.environ.get("RANK", "0") == "0"


def _progress():
    """A rich progress display on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)
