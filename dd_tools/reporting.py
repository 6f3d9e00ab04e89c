"""How library functions report to their caller: lines of information and progress. The library itself never prints."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Reporter(Protocol):
    """What a caller may pass to be informed; the commands pass a `dd_tools.cli.session.Session`."""

    def say(self, message: str) -> None:
        """Take one line of information, without a full stop."""

    def progress(self, steps: Iterable[Item], total: int | None, label: str) -> Iterable[Item]:
        """Pass `steps` through. total: how many there are, None if unknown."""

    def training(self, steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
        """Pass the numbers of training steps through. describe: formats the latest loss."""


class Silent:
    """A `Reporter` that reports nothing, the default of library functions."""

    def say(self, message: str) -> None:
        """Ignore the message."""

    def progress(self, steps: Iterable[Item], total: int | None, label: str) -> Iterable[Item]:
        """Pass `steps` through."""
        return steps

    def training(self, steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
        """Pass the step numbers through."""
        return steps


SILENT: Reporter = Silent()
