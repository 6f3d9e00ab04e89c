"""One run of a command: its messages, failures and progress on standard error."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import typer

from dd_tools.cli import progress
from dd_tools.cli.printing import printable
from dd_tools.errors import DataError

Item = TypeVar("Item")


class Session:
    """One run of a command. name: of the command. quiet: print errors only. failures: number of items that failed.

    It is the `dd_tools.reporting.Reporter` of the library functions that the command calls.
    """

    def __init__(self, name: str):
        self.name = name
        self.quiet = False
        self.failures = 0

    def say(self, message: str) -> None:
        """Print a line of information to standard error, unless quiet."""
        if not self.quiet:
            typer.echo(f"{self.name}: {printable(message)}", err=True)

    def fail(self, message: str) -> None:
        """Print a line about an item that failed; the command continues and ends with exit status 1."""
        self.failures += 1
        typer.echo(f"{self.name}: {printable(message)}", err=True)

    def history(self, inputs: Iterable[str | Path], wanted: bool = True) -> list[dict]:
        """The history of an output of this run: one entry, none unless `wanted`. inputs: files that it depends on."""
        from dd_tools.formats.history import history_entry

        return [history_entry(self.name, sys.argv[1:], inputs)] if wanted else []

    def for_each(self, items: Iterable[Item], work: Callable[[Item], Any]) -> None:
        """Call `work` on every item; report an item that raises `DataError` and continue with the next."""
        for item in items:
            try:
                work(item)
            except DataError as error:
                self.fail(str(error))

    def progress(self, steps: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:
        """Pass `steps` through and show progress: a bar on a terminal, ten plain lines otherwise, nothing if quiet."""
        if self.quiet:
            yield from steps
        elif sys.stderr.isatty():
            yield from progress.bar(steps, total, label)
        else:
            yield from progress.lines(steps, total, label, self.say)

    def training(self, steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
        """Pass the numbers of training steps through and show progress with the loss, in the process of rank 0.

        total: steps in all. describe: returns the latest loss as text.
        """
        if self.quiet or not progress.is_rank_zero():
            yield from steps
        elif sys.stderr.isatty():
            yield from progress.training_bar(steps, total, describe)
        else:
            yield from progress.training_lines(steps, total, describe, self.say)
