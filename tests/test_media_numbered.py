"""Frames by number, in any order."""

import numpy as np
import pytest
from factories import dummy_lossless_video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dd_tools.media.numbered import BACKWARDS, NumberedFrames

LENGTH = BACKWARDS + 10


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    pictures = [np.full((16, 16, 3), 5 * number, np.uint8) for number in range(LENGTH)]
    return dummy_lossless_video(tmp_path_factory.mktemp("film") / "film.mp4", pictures)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=8))
def test_every_frame_is_found_in_any_order(film, order):
    with NumberedFrames(film, None) as frames:
        assert [frames.at(index)[0, 0, 0] for index in order] == [5 * index for index in order]


def test_backwards_decodes_only_now_and_then(film, monkeypatch):
    begun = []
    begin = NumberedFrames._begin
    monkeypatch.setattr(NumberedFrames, "_begin", lambda self, kept: (begun.append(kept), begin(self, kept)))
    with NumberedFrames(film, None) as frames:
        for index in range(LENGTH - 1, -1, -1):
            assert frames.at(index)[0, 0, 0] == 5 * index
        with pytest.raises(IndexError):
            frames.at(LENGTH)
    assert begun == [1, BACKWARDS, BACKWARDS]
