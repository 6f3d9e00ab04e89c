"""Items with their neighbours."""

from hypothesis import given
from hypothesis import strategies as st

from dd_tools.evaluation.streams import Centred


@given(st.integers(0, 20), st.integers(0, 5))
def test_every_item_comes_once_with_all_around_it(count, radius):
    stream = Centred(radius)
    given_back = [one for item in range(count) for one in stream.add(item)]
    assert len(given_back) == max(0, count - radius)
    given_back += stream.rest()
    assert given_back == [
        (item, list(range(max(0, item - radius), min(count, item + radius + 1)))) for item in range(count)
    ]
