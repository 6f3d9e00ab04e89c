"""Clip files as training data: checked at the start, opened on first use."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dd_tools.formats.clip import Clip, Framing

Summary = TypeVar("Summary")


class ClipFiles:
    """The clips at `paths`, by index. Raises `DataError` for a clip with another framing or without a usable frame.

    usable: indices of the usable frames of every clip.
    """

    def __init__(self, paths: Sequence[Path], framing: Framing):
        self.paths, self._framing = list(paths), framing
        self._open: dict[int, Clip] = {}
        self.usable = self.summarise(lambda clip: clip.usable)

    def summarise(self, function: Callable[[Clip], Summary]) -> list[Summary]:
        """Call `function` on every clip and return the results."""
        summaries = []
        for path in self.paths:
            with Clip(path) as clip:
                clip.check_usable(self._framing)
                summaries.append(function(clip))
        return summaries

    def __len__(self) -> int:
        return len(self.paths)

    def __getstate__(self) -> dict:
        """For loader processes that are not forked, as on macOS and Windows: open files cannot be sent to them."""
        return self.__dict__ | {"_open": {}}

    def __getitem__(self, index: int) -> Clip:
        """The open clip. It is opened on first use, since no HDF5 file may be open when loader processes are forked."""
        if index not in self._open:
            self._open[index] = Clip(self.paths[index])
        return self._open[index]
