"""How library functions report messages and progress to their caller. They never print."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")

# Wraps the starts of batches or windows, to show progress; `iter` shows none.
Progress = Callable[[range], Iterable[int]]


class Reporter(Protocol):
    """Receives messages and progress. The commands pass a `dd_tools.cli.session.Session`."""

    def say(self, message: str) -> None:
        """Receive a message: one line, without a full stop."""

    def progress(self, steps: Iterable[Item], total: int | None, label: str) -> Iterable[Item]:
        """Yield all `steps` and count them. total: their number, None if unknown. label: name of the work."""

    def training(self, steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
        """Yield the numbers of training steps. total: steps in all. describe: returns the latest loss as text."""


class Silent:
    """A `Reporter` that reports nothing. It is the default of library functions."""

    def say(self, message: str) -> None:
        """Ignore the message."""

    def progress(self, steps: Iterable[Item], total: int | None, label: str) -> Iterable[Item]:
        """Return `steps` unchanged."""
        return steps

    def training(self, steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
        """Return `steps` unchanged."""
        return steps


SILENT: Reporter = Silent()
