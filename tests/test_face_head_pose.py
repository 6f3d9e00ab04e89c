"""Frontal coordinates: against a rigid head rotated by OpenCV and projected in parallel, and as inverses."""

import cv2
import numpy as np
from factories import dummy_face_landmarks
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.face.head_pose import DEPTHS, RIGID, RIGID_POINTS, fit_cameras, frontal, turned
from dd_tools.face.landmarks import LANDMARK_COUNT, MOUTH_REGION, UPPER_INNER_LIP

SCALE, ORIGIN = 30, (64, 40)  # pixels per interocular distance; the point between the eyes


def mouth(aperture: float = 0.1) -> np.ndarray:
    """Random chin and lips (25,2), frontal."""
    points = np.random.default_rng(0).normal(size=(25, 2)) * 0.3 + (0, 1.3)
    points[[MOUTH_REGION.index(point) for point in UPPER_INNER_LIP], 1] -= aperture
    return points


def projected(points: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Landmarks (68,2) of the rigid points and of chin and lips (25,2), rotated by angles in degrees and projected."""
    rotation = np.eye(3)
    for axis, angle in enumerate((pitch, yaw, roll)):
        rotation = cv2.Rodrigues(np.radians(angle) * np.eye(3)[axis])[0] @ rotation
    landmarks = np.full((LANDMARK_COUNT, 2), np.nan)
    landmarks[list(RIGID_POINTS)] = (RIGID @ rotation.T)[:, :2]
    landmarks[list(MOUTH_REGION)] = (np.column_stack([points, DEPTHS]) @ rotation.T)[:, :2]
    return landmarks * SCALE + ORIGIN


angles = st.floats(-40, 40)


@given(angles, angles, angles, st.floats(0, 0.5))
@settings(deadline=None)
def test_frontal_coordinates_do_not_depend_on_the_rotation(yaw, pitch, roll, aperture):
    landmarks = projected(mouth(aperture), yaw, pitch, roll)[None]
    cameras = fit_cameras(landmarks, np.zeros(1))
    np.testing.assert_allclose(frontal(landmarks[:, MOUTH_REGION], cameras)[0], mouth(aperture), atol=1e-9)


@given(angles, angles, angles)
@settings(deadline=None)
def test_turned_rotates_the_mouth_with_the_head(yaw, pitch, roll):
    landmarks = projected(mouth(), yaw, pitch, roll)[None]
    placed = turned(mouth()[None], fit_cameras(landmarks, np.zeros(1)))
    np.testing.assert_allclose(placed, landmarks[:, MOUTH_REGION], atol=1e-7)


def test_turned_is_the_inverse_of_frontal_for_any_landmarks():
    rng = np.random.default_rng(0)
    landmarks = dummy_face_landmarks() + rng.normal(size=(9, LANDMARK_COUNT, 2)) * 3
    cameras, points = fit_cameras(landmarks, np.arange(9) / 25), landmarks[:, MOUTH_REGION]
    np.testing.assert_allclose(turned(frontal(points, cameras), cameras), points, atol=1e-9)
    assert np.abs(frontal(points, cameras)[:-1] - frontal(points, cameras)[1:]).max() > 0.01


def test_cameras_follow_the_head_and_not_the_jitter():
    pts = np.arange(50) / 25
    turning = np.stack([projected(mouth(), 20 * np.sin(3 * at), 0, 0) for at in pts])
    jittering = turning + np.random.default_rng(1).normal(size=turning.shape)
    steady = np.stack([fit_cameras(face[None], np.zeros(1))[0] for face in turning])
    alone = np.stack([fit_cameras(face[None], np.zeros(1))[0] for face in jittering])
    followed = fit_cameras(jittering, pts)
    assert np.abs(followed - steady).mean() < 0.75 * np.abs(alone - steady).mean()
    assert np.abs(fit_cameras(turning, pts) - steady)[:, 0, 2].max() < 0.15 * np.abs(steady[:, 0, 2]).max()


def test_the_rigid_head_is_symmetric():
    mirrored = dict(zip(RIGID_POINTS, RIGID * (-1, 1, 1), strict=True))
    pairs = {0: 16, 1: 15, 2: 14, 36: 45, 39: 42, 27: 27, 28: 28, 29: 29, 30: 30}
    for right, left in pairs.items():
        np.testing.assert_array_equal(RIGID[RIGID_POINTS.index(left)], mirrored[right])


def test_chin_and_lips_have_the_same_depths_left_and_right():
    by_landmark = dict(zip(MOUTH_REGION, DEPTHS, strict=True))
    pairs = [(6, 10), (7, 9), (48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)]
    assert all(by_landmark[right] == by_landmark[left] for right, left in pairs)
