"""Items of a stream with their neighbours."""

from hypothesis import given
from hypothesis import strategies as st

from dd_tools.evaluation.centred_window import CentredWindow


@given(st.integers(0, 20), st.integers(0, 5))
def test_every_item_comes_once_with_all_its_neighbours(count, radius):
    window = CentredWindow(radius)
    returned = [one for item in range(count) for one in window.add(item)]
    assert len(returned) == max(0, count - radius)
    returned += window.flush()
    assert returned == [
        (item, list(range(max(0, item - radius), min(count, item + radius + 1)))) for item in range(count)
    ]
