"""Detectors: MediaPipe's own results, small and rotated faces, no face, opening by name, no output of their own."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import cv2
import numpy as np
import pytest
from factories import dummy_face_landmarks
from reporters import RecordingReporter
from skimage import data

from dd_tools.errors import DataError, UsageError
from dd_tools.face.detectors.face_finder import FaceFinder, _merge
from dd_tools.face.detectors.face_mesh import FaceMesh
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.landmarks import extent

GOLDEN = Path(__file__).parent / "golden"
ASTRONAUT = data.astronaut()
SIZE = 96  # pixels, extent of the face
# Read off the image by eye: centres of the eyes, tip of the nose, centre of the mouth, chin.
BY_EYE = {"right eye": (203, 101), "left eye": (247, 103), "nose": (225, 125), "mouth": (224, 146), "chin": (222, 179)}


@pytest.fixture(scope="module")
def detector():
    return open_detector("mediapipe")


@pytest.fixture(scope="module")
def mediapipe():
    """What MediaPipe itself computes, see golden/README.md."""
    return np.load(GOLDEN / "mediapipe.npz")


def golden_image(name: str) -> np.ndarray:
    if name.startswith("frame"):
        return np.load(GOLDEN / "masks.npz")[name]
    astronaut = ASTRONAUT[20:256, 130:320]
    images = {"astronaut": ASTRONAUT, "cut": ASTRONAUT[:301, 60:430], "two": np.hstack([astronaut, astronaut[:, ::-1]])}
    return images[name]


@pytest.mark.parametrize("name", ["astronaut", "frame1", "frame2", "cut", "two"])
class TestMediaPipe:
    def test_boxes(self, mediapipe, name):
        """Centre, size and eyes. The border of `two` contains half a pixel, which OpenCV 5 rounds otherwise."""
        image = golden_image(name)
        scale = 192 / max(image.shape[:2])
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        found = FaceFinder().find(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        boxes = [np.concatenate([face.centre, face.size, face.right_eye, face.left_eye]) for face in found]
        np.testing.assert_allclose(boxes, mediapipe[f"{name}_boxes"], atol=0.1 if name == "two" else 0.002)

    def test_landmarks_in_a_square(self, mediapipe, name):
        """A square that is not resampled."""
        landmarks = FaceMesh().fit(golden_image(name), mediapipe[f"{name}_square"])
        np.testing.assert_allclose(landmarks, mediapipe[f"{name}_fit"], atol=0.005)

    def test_detected_landmarks(self, detector, mediapipe, name):
        """Looser: OpenCV 4 rounds the positions of samples to 1/32 px, OpenCV 5 does not."""
        faces = detector.detect(golden_image(name), thorough=False)
        np.testing.assert_allclose(faces, mediapipe[f"{name}_faces"], atol=0.2)


def parts_of(face: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "right eye": face[36:42].mean(0),
        "left eye": face[42:48].mean(0),
        "nose": face[30],
        "mouth": face[60:68].mean(0),
        "chin": face[8],
    }


def test_landmarks_lie_on_the_parts_of_the_face(detector):
    faces = detector.detect(ASTRONAUT)
    assert faces.shape == (1, 68, 2)
    assert faces.dtype == np.float32
    for name, place in parts_of(faces[0]).items():
        assert np.hypot(*(place - BY_EYE[name])) < 3, name
    right_to_left = faces[0, [0, 36, 39, 30, 42, 45, 16], 0]
    assert (np.diff(right_to_left) > 0).all()
    top_to_bottom = faces[0, [19, 37, 28, 30, 33, 51, 62, 66, 57, 8], 1]
    assert (np.diff(top_to_bottom) >= 0).all()


@pytest.mark.parametrize(
    ("height", "width", "scale", "place"),
    [
        (1920, 1080, 2.0, (50, 890)),
        (1920, 1080, 0.5, (700, 60)),
        (1080, 1920, 0.35, (1500, 800)),
        (300, 300, 0.5, (9, 9)),
    ],
)
def test_faces_of_any_size_are_found_anywhere(detector, height, width, scale, place):
    scene = np.full((height, width, 3), 110, np.uint8)
    small = cv2.resize(
        ASTRONAUT, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    (x, y), (h, w) = place, small.shape[:2]
    scene[y : y + h, x : x + w] = small
    faces = detector.detect(scene)
    assert len(faces) == 1
    expected = (detector.detect(ASTRONAUT)[0] + 0.5) * scale - 0.5 + place
    assert np.linalg.norm(faces[0] - expected, axis=-1).mean() < 0.03 * SIZE * scale


@pytest.mark.parametrize("angle", [-35, 35])
def test_landmarks_rotate_with_the_head(detector, angle):
    turn = cv2.getRotationMatrix2D((225, 120), angle, 1)
    faces = detector.detect(cv2.warpAffine(ASTRONAUT, turn, (512, 512)))
    expected = detector.detect(ASTRONAUT)[0] @ turn[:, :2].T + turn[:, 2]
    assert np.linalg.norm(faces[0] - expected, axis=-1).mean() < 0.04 * SIZE


def test_faces_are_sorted_by_size(detector):
    """The smaller one is found only in a part of the frame."""
    smaller = cv2.resize(ASTRONAUT[:300, 100:350], None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    scene = np.full((512, 700, 3), 90, np.uint8)
    scene[100:280, 20:170] = smaller
    scene[:, 188:] = ASTRONAUT
    faces = detector.detect(scene)
    assert len(faces) == 2
    assert faces[0].mean(0)[0] > 188 > faces[1].mean(0)[0]


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (480, 640)])
def test_a_frame_without_a_face(detector, shape):
    blank = np.full((*shape, 3), 128, np.uint8)
    assert detector.detect(blank).shape == (0, 68, 2)
    assert detector.follow(blank, dummy_face_landmarks()) is None


def test_a_face_is_followed_from_a_nearby_position(detector):
    face = detector.detect(ASTRONAUT)[0]
    followed = detector.follow(ASTRONAUT, face + np.float32([12, -9]))
    assert np.linalg.norm(followed - face, axis=-1).mean() < 0.02 * SIZE


@pytest.mark.parametrize("which", ["1", "2"])
def test_the_mesh_agrees_with_face_alignment(detector, which):
    """On two HDTF frames, in units of the face's width (about 110 px)."""
    golden = np.load(GOLDEN / "masks.npz")
    expected = golden[f"landmarks{which}"]
    apart = np.linalg.norm(detector.detect(golden[f"frame{which}"])[0] - expected, axis=-1) / np.ptp(expected[:17, 0])
    assert apart.mean() < 0.02
    assert apart[[4, 6, 8, 10, 12, 21, 30]].max() < 0.04
    assert apart.max() < 0.07


def test_overlapping_boxes_become_their_weighted_mean():
    """Intersection over union with the most certain box: 80/120 of the second, 28/172 of the third."""
    boxes = np.zeros((3, 8))
    boxes[:, :4] = [(0, 0, 10, 10), (0, 2, 10, 12), (0, 9.2, 10, 19.2)]
    merged = np.array(_merge(boxes, np.array([0.6, 0.9, 0.7])))
    np.testing.assert_allclose(merged[:, :4], [(0, 1.2, 10, 11.2), (0, 9.2, 10, 19.2)])


def test_nothing_is_printed():
    program = (
        "from dd_tools.face.detectors.registry import open_detector; from skimage import data;"
        "d = open_detector('mediapipe');"
        "f = d.detect(data.astronaut()); print(len(f), d.follow(data.astronaut(), f[0]).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1 (68, 2)\n", "")


def test_nothing_is_written_or_sent(tmp_path):
    """onnxruntime keeps files in these folders when it collects telemetry."""
    program = "from dd_tools.face.detectors.registry import open_detector; open_detector()"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-B", "-c", program], check=True, env=environment)
    assert list(tmp_path.rglob("*")) == []


class TestOpening:
    def test_an_unknown_name_is_an_error(self):
        with pytest.raises(UsageError, match=r"unknown detector 'dlib', expected mediapipe or face-alignment"):
            open_detector("dlib")

    def test_a_missing_network_is_an_error(self, monkeypatch, tmp_path):
        monkeypatch.setattr("dd_tools.weights.__file__", str(tmp_path / "__init__.py"))
        with pytest.raises(DataError, match=r"installation is incomplete: '.*face_detector\.onnx' is missing"):
            open_detector()

    def test_a_damaged_network_is_an_error(self, monkeypatch, tmp_path):
        monkeypatch.setattr("dd_tools.weights.__file__", str(tmp_path / "__init__.py"))
        (tmp_path / "face_detector.onnx").write_bytes(b"damaged")
        with pytest.raises(DataError, match=r"^cannot open '.*face_detector\.onnx': [^\n]+$"):
            open_detector()


class FakeNetwork:
    """The interface of face-alignment: every bright square is a face, its landmarks are on the diagonal."""

    searched: list[tuple[int, ...]]

    def __init__(self, kind, **options):
        self.searched, self.options = [], options
        self.face_detector = SimpleNamespace(detect_from_image=self.boxes)

    def boxes(self, image):
        self.searched.append(image.shape)
        count, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 200).astype(np.uint8))
        return [np.array([x, y, x + w, y + h, 0.99]) for x, y, w, h, area in stats[1:count] if area > 30]

    def get_landmarks_from_image(self, image, detected_faces):
        return [np.linspace(box[:2], box[2:], 68).astype(np.float32) for box in detected_faces]


@pytest.fixture
def network(monkeypatch, tmp_path):
    package = pytest.importorskip("face_alignment")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(package, "FaceAlignment", FakeNetwork)
    return package


class TestFaceAlignment:
    def frame(self):
        frame = np.zeros((1000, 2000, 3), np.uint8)
        frame[100:200, 200:300] = frame[500:700, 1400:1600] = 255
        return frame

    def test_the_frame_is_shrunk_and_landmarks_are_in_full_size(self, network):
        detector = open_detector("face-alignment")
        faces = detector.detect(self.frame(), thorough=False)
        assert detector._network.searched == [(320, 640, 3)]
        np.testing.assert_allclose(faces[0, [0, -1]], [(1400, 500), (1600, 700)], atol=4)
        np.testing.assert_allclose(faces[1, [0, -1]], [(200, 100), (300, 200)], atol=4)
        np.testing.assert_allclose(extent(faces), [200, 100], atol=8)

    def test_a_tiny_face_needs_a_thorough_search(self, network):
        frame = np.zeros((1500, 3000, 3), np.uint8)
        frame[70:88, 900:918] = 255
        detector = open_detector("face-alignment")
        assert len(detector.detect(frame, thorough=False)) == 0
        np.testing.assert_allclose(detector.detect(frame)[0, [0, -1]], [(900, 70), (918, 88)])

    def test_a_face_is_followed_within_a_region(self, network):
        detector = open_detector("face-alignment")
        before = np.linspace((210, 105), (310, 205), 68).astype(np.float32)
        np.testing.assert_allclose(detector.follow(self.frame(), before)[[0, -1]], [(200, 100), (300, 200)])
        assert detector._network.searched == [(201, 201, 3)]
        assert detector.follow(self.frame(), before + np.float32([500, 0])) is None
        assert detector.follow(self.frame(), before + np.float32([5000, 5000])) is None

    def test_the_network_is_on_the_chosen_device(self, network):
        assert open_detector("face-alignment")._network.options["device"] == "cpu"
        assert open_detector("face-alignment", device="cuda:1")._network.options["device"] == "cuda:1"

    def test_downloads_are_announced(self, network, tmp_path):
        report = RecordingReporter()
        open_detector("face-alignment", report=report)
        assert len(report.messages) == 1
        assert report.messages[0].startswith("downloading s3fd-")
        assert str(tmp_path / "checkpoints") in report.messages[0]

    def test_offline_the_error_tells_where_to_put_the_weights(self, network, monkeypatch, capfd, tmp_path):
        def refuse(*_, **__):
            print("Downloading: 12 %", file=sys.stderr)
            raise URLError("no route to host")

        monkeypatch.setattr(network, "FaceAlignment", refuse)
        with pytest.raises(DataError) as error:
            open_detector("face-alignment")
        message = str(error.value)
        assert message.startswith(
            "cannot load the weights of face-alignment (<urlopen error no route to host>): put https:"
        )
        assert f"into '{tmp_path / 'checkpoints'}'" in message
        assert "\n" not in message
        assert capfd.readouterr().err == ""
