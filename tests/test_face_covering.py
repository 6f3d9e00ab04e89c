"""Mouths that something covers, and mouths that only look unusual: on a photograph and on drawn faces."""

import cv2
import numpy as np
import pytest
from factories import dummy_face, dummy_face_landmarks
from skimage import data

from dd_tools.face.affine import transform
from dd_tools.face.covering import is_covered
from dd_tools.face.detectors.mesh_detector import MeshDetector
from dd_tools.face.geometry import fit_poses
from dd_tools.face.landmarks import OUTER_LIPS

ASTRONAUT = data.astronaut()


@pytest.fixture(scope="module")
def detector():
    return MeshDetector()


@pytest.fixture(scope="module")
def landmarks(detector):
    return detector.detect(ASTRONAUT)[0]


def with_ellipse(landmarks, centre, radii, colour) -> np.ndarray:
    """The photograph with a soft ellipse, in units of the interocular distance from the point between the eyes."""
    angle = np.linspace(0, 2 * np.pi, 64)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1) * radii + centre
    shape = np.zeros(ASTRONAUT.shape[:2], np.float32)
    cv2.fillPoly(shape, [np.rint(transform(outline, fit_poses(landmarks[None])[0])).astype(np.int32)], 1)
    shape = cv2.GaussianBlur(shape, (0, 0), 0.7)[..., None]
    grain = np.random.default_rng(0).normal(0, 3, ASTRONAUT.shape)
    return np.clip(ASTRONAUT * (1 - shape) + (np.array(colour) + grain) * shape, 0, 255).astype(np.uint8)


def seen_in(frame, detector, landmarks) -> bool:
    """Whether the mouth is covered where the detector now believes the face to be."""
    found = detector.follow(frame, landmarks)
    return is_covered(frame, landmarks if found is None else found)


MOUTH, MICROPHONE = (0, 1.12), (0.55, 0.5)


@pytest.mark.parametrize("colour", [(20, 20, 22), (120, 120, 125), (150, 190, 220), (235, 235, 235), (30, 90, 40)])
@pytest.mark.parametrize("radii", [MICROPHONE, (0.8, 0.7), (0.45, 0.9)])
def test_a_microphone_or_a_mask_covers_the_mouth(detector, landmarks, colour, radii):
    assert seen_in(with_ellipse(landmarks, MOUTH, radii, colour), detector, landmarks)


def test_what_has_the_colour_of_the_skin_covers_the_mouth(detector, landmarks):
    x, y = landmarks[30].astype(int)
    skin = ASTRONAUT[y - 20 : y, x - 4 : x + 5].reshape(-1, 3).mean(0)
    assert seen_in(with_ellipse(landmarks, MOUTH, (0.7, 0.45), skin), detector, landmarks)


@pytest.mark.parametrize("colour", [(20, 20, 22), (150, 190, 220)])
@pytest.mark.parametrize("centre", [(0, 2.0), (1.2, 1.1), (-1.2, 1.1), (0, 0), (0.45, 0), (0, -0.9)])
def test_what_is_below_or_beside_the_mouth_or_before_the_eyes_does_not(detector, landmarks, centre, colour):
    radii = (0.3, 0.25) if centre[1] == 0 else MICROPHONE
    assert not seen_in(with_ellipse(landmarks, centre, radii, colour), detector, landmarks)


def painted_lips(landmarks) -> np.ndarray:
    frame = ASTRONAUT.copy()
    lips = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillPoly(lips, [landmarks[OUTER_LIPS].astype(np.int32)], 1)
    frame[lips > 0] = (frame[lips > 0] * (1.0, 0.5, 0.55)).astype(np.uint8)
    return frame


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame,
        lambda frame: frame[:, ::-1],
        lambda frame: (frame * 0.25).astype(np.uint8),
        lambda frame: np.clip(frame * 1.5, 0, 255).astype(np.uint8),
        lambda frame: np.clip(frame * (0.6, 0.9, 1.3), 0, 255).astype(np.uint8),  # blue light
        lambda frame: np.repeat(frame.mean(-1, keepdims=True), 3, -1).astype(np.uint8),  # black and white
        lambda frame: cv2.GaussianBlur(frame, (0, 0), 3),
        lambda frame: cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR),
        lambda frame: cv2.resize(frame, (100, 100), interpolation=cv2.INTER_AREA),
    ],
)
def test_light_sharpness_and_size_do_not_cover_the_mouth(detector, change):
    frame = np.ascontiguousarray(change(ASTRONAUT))
    assert not is_covered(frame, detector.detect(frame)[0])


def test_red_lips_do_not_cover_the_mouth(detector, landmarks):
    assert not seen_in(painted_lips(landmarks), detector, landmarks)


@pytest.mark.parametrize("opening", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_no_opening_of_a_drawn_mouth_is_a_cover(opening):
    landmarks = dummy_face_landmarks(opening=opening)
    frame = dummy_face(landmarks, 96)
    assert not is_covered(frame, landmarks)
    x, y = landmarks[OUTER_LIPS].mean(0).astype(int)
    cv2.circle(frame, (x, y), 22, (30, 30, 30), -1)
    assert is_covered(frame, landmarks)


def test_a_mouth_without_an_extent_tells_nothing():
    landmarks = dummy_face_landmarks()
    landmarks[48:] = landmarks[48]
    assert not is_covered(np.zeros((96, 96, 3), np.uint8), landmarks)
