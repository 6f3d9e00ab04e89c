"""A sliding window centred on each item of a stream, without keeping the stream."""

from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class CentredWindow(Generic[Item]):
    """Takes items one by one and returns each, `radius` items later, with up to `radius` neighbours on either side."""

    def __init__(self, radius: int):
        self._radius = radius
        self._window: list[Item] = []
        self._position = 0  # index in the window of the item that is returned next

    def add(self, item: Item) -> Iterator[tuple[Item, list[Item]]]:
        """Take an item; yield at most one earlier item and its window, which contains the item itself."""
        self._window.append(item)
        if len(self._window) > self._position + self._radius:
            yield self._next()

    def flush(self) -> Iterator[tuple[Item, list[Item]]]:
        """Yield the remaining items after the last `add`."""
        while self._position < len(self._window):
            yield self._next()

    def _next(self) -> tuple[Item, list[Item]]:
        current = self._window[self._position], list(self._window)
        if self._position < self._radius:
            self._position += 1
        else:
            self._window.pop(0)
        return current
