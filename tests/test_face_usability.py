"""Which frames can be dubbed."""

import numpy as np
import pytest
from factories import dummy_face_at

from dd_tools.face.usability import LARGEST_TURN, REASONS, frame_status, turn
from dd_tools.formats.clip import Status

# Outer eye corners and nose tip of mediapipe's canonical face (centimetres; x to the person's left, y up, z forward).
RIGHT_CORNER, LEFT_CORNER, NOSE = (-4.446, 2.664, 3.173), (4.446, 2.664, 3.173), (0, -0.463, 7.587)


def turned(yaw: float, roll: float = 0, pitch: float = 0) -> np.ndarray:
    """A face whose eyes and nose are the canonical head's, turned by angles in degrees and seen from far away."""
    (cy, sy), (cr, sr), (cp, sp) = ((np.cos(a), np.sin(a)) for a in np.radians([yaw, roll, pitch]))
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    points = np.array([RIGHT_CORNER, LEFT_CORNER, NOSE]) @ (around_z @ around_x @ around_y).T
    face = dummy_face_at(100)
    face[[36, 45, 30]] = points[:, :2] * (6, -6) + 100
    return face


@pytest.mark.parametrize("roll", [-30, 0, 20])
@pytest.mark.parametrize("yaw", [-60, -30, 0, 15, 45, 60])
def test_the_turn_is_the_heads(yaw, roll):
    assert turn(turned(yaw, roll)[None])[0] == pytest.approx(abs(yaw), abs=1.5)
    if abs(yaw) <= LARGEST_TURN:
        assert turn(turned(yaw, roll, pitch=10)[None])[0] == pytest.approx(abs(yaw), abs=8)


def test_a_face_turned_away_cannot_be_dubbed_and_does_not_flicker():
    yaws = [0] * 6 + [LARGEST_TURN + 5] * 6 + [0] * 6
    status = frame_status(np.array([turned(yaw) for yaw in yaws]), 200, 200)
    assert list(status) == [Status.OK] * 6 + [Status.TURNED_AWAY] * 6 + [Status.OK] * 6
    trembling = [LARGEST_TURN + (4 if t % 3 else -4) for t in range(12)]
    status = frame_status(np.array([turned(yaw) for yaw in trembling]), 200, 200)
    assert set(status[2:-2]) == {Status.TURNED_AWAY}
    assert list(frame_status(turned(70)[None], 200, 200)) == [Status.TURNED_AWAY]


def test_what_is_not_there_is_not_turned():
    landmarks = np.stack([turned(70), np.full((68, 2), np.nan), turned(70)]).astype(np.float32)
    assert list(frame_status(landmarks, 200, 200)) == [Status.TURNED_AWAY, Status.NO_FACE, Status.TURNED_AWAY]


def test_every_reason_has_words():
    assert set(REASONS) == set(Status) - {Status.OK}
