"""Many files that are read again and again, of which only some can be open at once."""

import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

File = TypeVar("File", bound=AbstractContextManager)

MAX_OPEN = 128  # files per process; systems allow 256 to 1024


class OpenFiles(Generic[File]):
    """Files by number, each opened on first use. Beyond `limit`, the one that was used longest ago is closed.

    Every process has files of its own, as they would share the position in a file that was opened before a fork.
    """

    def __init__(self, open_file: Callable[[int], File], limit: int = MAX_OPEN):
        self._open_file, self._limit = open_file, limit
        self._files: OrderedDict[int, File] = OrderedDict()
        self._process = os.getpid()

    def __len__(self) -> int:
        """Number of files that are open."""
        return len(self._files)

    def __getitem__(self, number: int) -> File:
        """The open file."""
        if self._process != os.getpid():
            self._files, self._process = OrderedDict(), os.getpid()
        if number not in self._files:
            if len(self._files) == self._limit:
                _, oldest = self._files.popitem(last=False)
                oldest.__exit__(None, None, None)
            self._files[number] = self._open_file(number)
        self._files.move_to_end(number)
        return self._files[number]

    def __getstate__(self) -> dict:
        """For loader processes that are not forked: open files cannot be sent to them."""
        return self.__dict__ | {"_files": OrderedDict()}
