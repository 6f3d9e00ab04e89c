"""Frames by index, in any order."""

import numpy as np
import pytest
from factories import dummy_lossless_video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dd_tools.errors import DataError
from dd_tools.media.indexed_frames import BACKWARD_CACHE, IndexedFrames

LENGTH = BACKWARD_CACHE + 10


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    frames = [np.full((16, 16, 3), 5 * index, np.uint8) for index in range(LENGTH)]
    return dummy_lossless_video(tmp_path_factory.mktemp("video") / "video.mp4", frames)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=8))
def test_frames_are_read_in_any_order(video, order):
    with IndexedFrames(video) as frames:
        assert [frames.at(index)[0, 0, 0] for index in order] == [5 * index for index in order]


def test_reading_backwards_rarely_decodes_again(video, monkeypatch):
    caches = []
    restart = IndexedFrames._restart
    monkeypatch.setattr(IndexedFrames, "_restart", lambda self, cache: (caches.append(cache), restart(self, cache)))
    with IndexedFrames(video) as frames:
        for index in range(LENGTH - 1, -1, -1):
            assert frames.at(index)[0, 0, 0] == 5 * index
        with pytest.raises(DataError, match=f"it has no frame {LENGTH}"):
            frames.at(LENGTH)
    assert caches == [1, BACKWARD_CACHE, BACKWARD_CACHE]
