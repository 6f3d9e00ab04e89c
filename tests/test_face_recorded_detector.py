"""Recorded detections are replayed without detecting again; incomplete ones are detected again."""

import errno
import io
import os

import numpy as np
import pytest
from factories import DummyPlay, dummy_face_at

from dd_tools.errors import DataError
from dd_tools.face.recorded_detector import RecordedDetector
from dd_tools.face.tracking.face_tracks import track_all_faces
from dd_tools.face.tracking.speaker import track_speaker


class Counted:
    """A detector that counts its calls and is interrupted after `limit` of them."""

    def __init__(self, detector, limit=10**9):
        self.name, self.version = detector.name, detector.version
        self.detector, self.limit, self.count = detector, limit, 0

    def detect(self, frame, *, thorough=True):
        return self._call(self.detector.detect, frame, thorough=thorough)

    def follow(self, frame, landmarks):
        return self._call(self.detector.follow, frame, landmarks)

    def _call(self, method, *arguments, **options):
        if self.count == self.limit:
            raise KeyboardInterrupt
        self.count += 1
        return method(*arguments, **options)


def video():
    """Two people, one of whom leaves and returns; in between there is a gap without a face."""
    left, right = dummy_face_at(100), dummy_face_at(300, opening=0.2)
    return DummyPlay(*[[left, right]] * 6, *[[]] * 3, *[[left]] * 12, *[[left, right]] * 6)


def speaker(detector):
    return [
        np.full((68, 2), np.nan) if face is None else face
        for face in track_speaker(video().scenes(), detector, lambda faces, frame_size: 0)
    ]


def all_faces(detector):
    tracks = track_all_faces(video().scenes(), detector)
    return [np.column_stack([track.indices, track.landmarks[:, 0]]) for track in tracks]


@pytest.mark.parametrize("track", [speaker, all_faces])
@pytest.mark.parametrize("limit", [0, 1, 7, 20])
def test_an_interrupted_run_is_continued(tmp_path, track, limit):
    whole = Counted(video())
    expected = track(whole)
    first, second = Counted(video(), limit), Counted(video())
    with pytest.raises(KeyboardInterrupt), RecordedDetector(first, tmp_path / "detections") as recorded:
        track(recorded)
    with RecordedDetector(second, tmp_path / "detections") as recorded:
        found = track(recorded)
    assert (recorded.name, recorded.version) == ("play", "1")
    assert first.count + second.count == whole.count
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_incomplete_result_is_detected_again(tmp_path):
    path = tmp_path / "detections"
    with RecordedDetector(video(), path) as recorded:
        expected = speaker(recorded)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) - 600, len(whole) // 2, 3):
        path.write_bytes(whole[:length])
        counted = Counted(video())
        with RecordedDetector(counted, path) as recorded:
            np.testing.assert_array_equal(speaker(recorded), expected)
        assert counted.count > 0
        assert path.read_bytes() == whole


@pytest.mark.parametrize("place", [0, 3, 5, 8, 20, 60, 200, 700])
def test_a_damaged_result_is_detected_again(tmp_path, place):
    path = tmp_path / "detections"
    with RecordedDetector(video(), path) as recorded:
        expected = speaker(recorded)
    whole = path.read_bytes()
    for bit in range(8):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        with RecordedDetector(video(), path) as recorded:
            np.testing.assert_array_equal(speaker(recorded), expected)
        assert path.read_bytes() == whole


def test_a_full_disk_is_a_one_line_error_and_loses_nothing(tmp_path):
    path = tmp_path / "detections"
    with RecordedDetector(video(), path) as recorded:
        expected = speaker(recorded)

    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RecordedDetector(video(), path) as recorded:
        recorded._file = Full(path.read_bytes()[:2000])
        with pytest.raises(DataError, match=r"cannot write '.*detections': no space left"):
            speaker(recorded)
    with RecordedDetector(Counted(video(), 0), path) as recorded:
        np.testing.assert_array_equal(speaker(recorded), expected)
