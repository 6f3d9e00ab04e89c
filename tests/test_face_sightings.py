"""What a detector saw is answered again without looking, and what a kill cut short is looked for anew."""

import errno
import io
import os

import numpy as np
import pytest
from factories import DummyPlay, dummy_face_at

from dd_tools.errors import DataError
from dd_tools.face.company import follow_everybody
from dd_tools.face.sightings import Sightings
from dd_tools.face.tracking import track


class Counted:
    """A detector that counts how often it is asked, and is interrupted when it has been asked often enough."""

    def __init__(self, detector, limit=10**9):
        self.name, self.version = detector.name, detector.version
        self.detector, self.limit, self.count = detector, limit, 0

    def detect(self, image, *, thorough=True):
        return self._ask(self.detector.detect, image, thorough=thorough)

    def follow(self, image, landmarks):
        return self._ask(self.detector.follow, image, landmarks)

    def _ask(self, look, *arguments, **options):
        if self.count == self.limit:
            raise KeyboardInterrupt
        self.count += 1
        return look(*arguments, **options)


def play():
    """Two people, one of whom leaves and comes back; nobody in the middle."""
    left, right = dummy_face_at(100), dummy_face_at(300, opening=0.2)
    return DummyPlay(*[[left, right]] * 6, *[[]] * 3, *[[left]] * 12, *[[left, right]] * 6)


def followed(detector):
    return [
        np.full((68, 2), np.nan) if face is None else face
        for face in track(play().scenes(), detector, lambda faces, picture: 0)
    ]


def everybody(detector):
    return [np.column_stack([one.frames, one.landmarks[:, 0]]) for one in follow_everybody(play().scenes(), detector)]


@pytest.mark.parametrize("follow", [followed, everybody])
@pytest.mark.parametrize("limit", [0, 1, 7, 20])
def test_an_interrupted_job_goes_on_where_it_was(tmp_path, follow, limit):
    whole = Counted(play())
    expected = follow(whole)
    first, second = Counted(play(), limit), Counted(play())
    with pytest.raises(KeyboardInterrupt), Sightings(first, tmp_path / "seen") as eyes:
        follow(eyes)
    with Sightings(second, tmp_path / "seen") as eyes:
        found = follow(eyes)
    assert (eyes.name, eyes.version) == ("play", "1")
    assert first.count + second.count == whole.count
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_answer_cut_short_is_looked_for_anew(tmp_path):
    path = tmp_path / "seen"
    with Sightings(play(), path) as eyes:
        expected = followed(eyes)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) - 600, len(whole) // 2, 3):
        path.write_bytes(whole[:length])
        counted = Counted(play())
        with Sightings(counted, path) as eyes:
            np.testing.assert_array_equal(followed(eyes), expected)
        assert counted.count > 0
        assert path.read_bytes() == whole


def test_a_full_disk_is_one_line_and_spoils_nothing(tmp_path):
    path = tmp_path / "seen"
    with Sightings(play(), path) as eyes:
        expected = followed(eyes)

    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Sightings(play(), path) as eyes:
        eyes._file = Full(path.read_bytes()[:2000])
        with pytest.raises(DataError, match=r"cannot write '.*seen': No space left"):
            followed(eyes)
    with Sightings(Counted(play(), 0), path) as eyes:
        np.testing.assert_array_equal(followed(eyes), expected)
