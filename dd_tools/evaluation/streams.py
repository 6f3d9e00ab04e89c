"""A stream's items with their neighbours in time, without keeping the stream."""

from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Centred(Generic[Item]):
    """Takes items one by one and gives each back, `radius` items later, with up to `radius` of them on either side."""

    def __init__(self, radius: int):
        self._radius = radius
        self._window: list[Item] = []
        self._place = 0  # in the window, of the item to be given back next

    def add(self, item: Item) -> Iterator[tuple[Item, list[Item]]]:
        """Take an item; give at most one, and all items around it, itself included."""
        self._window.append(item)
        if len(self._window) > self._place + self._radius:
            yield self._next()

    def rest(self) -> Iterator[tuple[Item, list[Item]]]:
        """Give the last ones, after which there are none to come."""
        while self._place < len(self._window):
            yield self._next()

    def _next(self) -> tuple[Item, list[Item]]:
        given = self._window[self._place], list(self._window)
        if self._place < self._radius:
            self._place += 1
        else:
            self._window.pop(0)
        return given
