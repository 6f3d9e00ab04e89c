"""Batches that become smaller when the device runs out of memory."""

from collections.abc import Callable

import numpy as np
import torch

from dd_tools.errors import DataError
from dd_tools.nn.device import OutOfMemory
from dd_tools.reporting import SILENT, Reporter


class Batches:
    """Computes batches; after a device ran out of memory, in parts of half the size, and of a quarter after that.

    report: receives a message when the size changes.
    """

    def __init__(self, report: Reporter = SILENT):
        self._report, self._largest = report, None

    def compute(self, function: Callable[[slice], np.ndarray], batch: slice) -> np.ndarray:
        """The results of `function` on parts of the batch, concatenated; of the whole batch if the memory allows it.

        Raises `DataError` if there is too little memory for one item.
        """
        results, start = [], batch.start
        while start < batch.stop:
            size = min(self._largest or batch.stop, batch.stop - start)
            result = _attempt(function, slice(start, start + size))
            if result is None:
                self._halve(size)
            else:
                results.append(result)
                start += size
        return results[0] if len(results) == 1 else np.concatenate(results)

    def _halve(self, size: int) -> None:
        if size == 1:
            raise DataError("out of memory even with --batch-size 1; use --dtype bf16 or --device cpu")
        self._largest = size // 2
        self._report.say(f"out of memory with --batch-size {size}, continuing with {self._largest}")
        torch.cuda.empty_cache()  # does nothing without a CUDA device


def _attempt(function: Callable[[slice], np.ndarray], part: slice) -> np.ndarray | None:
    """The result, or None if the memory is too small. On return, nothing refers to the tensors of the attempt."""
    try:
        return function(part)
    except OutOfMemory:
        return None
