"""Items computed ahead in another thread: the same, in order, with their exceptions, and no more than asked for."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.media.ahead import ahead


@given(st.lists(st.integers()), st.integers(1, 5))
def test_items_and_their_order_stay(items, count):
    assert list(ahead(items, count)) == items
    assert list(ahead((item for item in items), count)) == items


def test_items_are_computed_in_one_other_thread_and_no_further_ahead_than_asked():
    computed, threads = [], set()

    def items():
        for number in range(10):
            threads.add(threading.get_ident())
            computed.append(number)
            yield number

    used = ahead(items(), 3)
    for number in range(5):
        assert next(used) == number
        deadline = time.monotonic() + 5
        while len(computed) < number + 4 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert len(computed) == number + 4  # itself and three more
    used.close()
    assert len(threads) == 1 and threading.get_ident() not in threads


def test_an_exception_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("broken")

    used = ahead(items(), 4)
    assert next(used) == 1
    with pytest.raises(ValueError, match="broken"):
        next(used)


def test_closing_early_closes_the_source_and_ends_the_thread():
    closed = []

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    before = threading.active_count()
    used = ahead(items(), 2)
    next(used)
    used.close()
    assert closed == [True] and threading.active_count() == before
