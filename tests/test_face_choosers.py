"""The rules that choose the speaker among the faces of a frame, and the settings that name them."""

import numpy as np
import pytest
from factories import dummy_face_at

from dd_tools.errors import UsageError
from dd_tools.face.settings import PrepSettings
from dd_tools.face.tracking.choosers import at_point, first_shot_only, largest, most_central, most_prominent

FRAME_SIZE = (200, 400)
FACES = np.array([dummy_face_at(60, scale=1.1), dummy_face_at(190), dummy_face_at(205, scale=0.6)])


@pytest.mark.parametrize(("choose", "expected"), [(most_prominent, 1), (largest, 0), (most_central, 2)])
def test_rules(choose, expected):
    assert choose(FACES, FRAME_SIZE) == expected


def test_prominent_is_large_and_central():
    for faces, expected in [
        ([dummy_face_at(60), dummy_face_at(200)], 1),
        ([dummy_face_at(200, scale=0.3), dummy_face_at(60)], 1),
        ([dummy_face_at(200, scale=0.9), dummy_face_at(20)], 0),
    ]:
        assert most_prominent(np.array(faces), FRAME_SIZE) == expected


@pytest.mark.parametrize(
    ("point", "expected"), [((60, 100), 0), ((30, 60), 0), ((180, 130), 1), ((206, 100), 2), ((330, 100), None)]
)
def test_the_face_at_a_point(point, expected):
    assert at_point(*point)(FACES, FRAME_SIZE) == expected


def test_only_the_first_shot_in_which_the_face_stays_is_kept():
    shots = np.repeat([0, 1, 2], 8)
    landmarks = np.tile(dummy_face_at(60), (24, 1, 1))
    landmarks[2:8] = np.nan
    kept = np.isfinite(first_shot_only(landmarks, shots)[:, 0, 0])
    assert list(kept) == [False] * 8 + [True] * 8 + [False] * 8
    assert np.isfinite(first_shot_only(landmarks[:1], shots[:1])).all()
    assert np.isnan(first_shot_only(landmarks[2:6], shots[2:6])).all()


def test_face_numbers_in_settings():
    assert PrepSettings(face="0,12").numbers == (0, 12)
    assert PrepSettings(face="largest").numbers == ()
    for face in ("", "biggest", "-1", "1,", "1.5", "²"):
        with pytest.raises(UsageError, match=f"unknown face '{face}', expected prominent, largest"):
            PrepSettings(face=face)
    with pytest.raises(UsageError, match="face 'largest' and a point both choose the speaker"):
        PrepSettings(face="largest", at=(1, 2))
