"""Which frames can be dubbed."""

import numpy as np
import pytest
from factories import dummy_face_at

from dd_tools.face.usability import MAX_YAW, REASONS, frame_status, head_yaw
from dd_tools.formats.clip import Status

# Outer eye corners and nose tip of mediapipe's canonical face (centimetres; x to the person's left, y up, z forward).
RIGHT_CORNER, LEFT_CORNER, NOSE = (-4.446, 2.664, 3.173), (4.446, 2.664, 3.173), (0, -0.463, 7.587)


def turned(yaw: float, roll: float = 0, pitch: float = 0) -> np.ndarray:
    """A face with the canonical head's eyes and nose, rotated by angles in degrees, in parallel projection."""
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
def test_head_yaw_is_the_angle_of_a_rotated_head(yaw, roll):
    assert head_yaw(turned(yaw, roll)[None])[0] == pytest.approx(abs(yaw), abs=1.5)
    if abs(yaw) <= MAX_YAW:
        assert head_yaw(turned(yaw, roll, pitch=10)[None])[0] == pytest.approx(abs(yaw), abs=8)


def test_the_status_of_a_face_turned_away_does_not_flicker():
    yaws = [0] * 6 + [MAX_YAW + 5] * 6 + [0] * 6
    status = frame_status(np.array([turned(yaw) for yaw in yaws]), 200, 200)
    assert list(status) == [Status.OK] * 6 + [Status.TURNED_AWAY] * 6 + [Status.OK] * 6
    jittering = [MAX_YAW + (4 if t % 3 else -4) for t in range(12)]
    status = frame_status(np.array([turned(yaw) for yaw in jittering]), 200, 200)
    assert set(status[2:-2]) == {Status.TURNED_AWAY}
    assert list(frame_status(turned(70)[None], 200, 200)) == [Status.TURNED_AWAY]


def test_the_status_changes_at_a_cut_at_once():
    landmarks = np.array([turned(yaw) for yaw in [0] * 7 + [70] + [0] * 7])
    assert set(frame_status(landmarks, 200, 200)) == {Status.OK}
    status = frame_status(landmarks, 200, 200, np.repeat([0, 1, 2], [7, 1, 7]))
    assert list(status) == [Status.OK] * 7 + [Status.TURNED_AWAY] + [Status.OK] * 7


def test_a_missing_face_is_not_turned_away():
    landmarks = np.stack([turned(70), np.full((68, 2), np.nan), turned(70)]).astype(np.float32)
    assert list(frame_status(landmarks, 200, 200)) == [Status.TURNED_AWAY, Status.NO_FACE, Status.TURNED_AWAY]


def test_every_status_has_a_reason():
    assert set(REASONS) == set(Status) - {Status.OK}
