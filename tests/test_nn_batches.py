"""Batches on a device whose memory holds only so many items."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporters import RecordingReporter

from dd_tools.errors import DataError
from dd_tools.nn.batches import Batches
from dd_tools.nn.device import OutOfMemory


def device(memory: int, sizes: list[int]):
    """A function that squares numbers, if they are no more than `memory`, and notes how many there were."""

    def square(part: slice) -> np.ndarray:
        sizes.append(part.stop - part.start)
        if sizes[-1] > memory:
            raise OutOfMemory("out of memory")
        return np.arange(part.start, part.stop) ** 2

    return square


@given(start=st.integers(0, 50), size=st.integers(1, 40), memory=st.integers(1, 40), count=st.integers(1, 3))
def test_results_do_not_depend_on_the_memory(start, size, memory, count):
    batches, sizes = Batches(), []
    for number in range(count):
        first = start + number * size
        found = batches.compute(device(memory, sizes), slice(first, first + size))
        assert np.array_equal(found, np.arange(first, first + size) ** 2)
    failures = [one for one in sizes if one > memory]
    assert len(set(failures)) == len(failures), "a size that failed is not tried again"


def test_the_batch_is_halved_until_it_fits_and_this_is_said():
    recorder, sizes = RecordingReporter(), []
    batches = Batches(recorder)
    batches.compute(device(2, sizes), slice(0, 8))
    assert sizes == [8, 4, 2, 2, 2, 2]
    batches.compute(device(2, sizes), slice(8, 11))
    assert sizes[6:] == [2, 1]
    assert recorder.messages == [
        "out of memory with --batch-size 8, continuing with 4",
        "out of memory with --batch-size 4, continuing with 2",
    ]


def test_too_little_memory_for_one_item_is_an_error():
    with pytest.raises(DataError, match="out of memory even with --batch-size 1; use --dtype bf16 or --device cpu"):
        Batches().compute(device(0, []), slice(0, 5))
