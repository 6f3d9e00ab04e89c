"""Compute the items of an iterable in another thread while the last ones are used."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item], count: int = 2) -> Generator[Item, None, None]:
    """The same items in order; up to `count` are computed in advance, in one other thread.

    An exception of `items` is raised in the place of its item. If this generator is closed early, so is the iterator of
    `items` if it can be, once the items that are being computed are complete.
    """
    iterator, end = iter(items), object()
    with _closed_at_the_end(iterator), ThreadPoolExecutor(1) as pool:
        waiting: deque[Future] = deque(pool.submit(next, iterator, end) for _ in range(count))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, iterator, end))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def _closed_at_the_end(iterator: Iterator) -> closing:
    return closing(iterator if hasattr(iterator, "close") else (_ for _ in ()))
