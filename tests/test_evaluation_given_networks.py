"""Measures with networks that the user gives, of tiny networks whose output is known."""

import hashlib
import json
import math

import cv2
import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_marked_face, dummy_pose
from onnx_files import model, node, write_colours, write_mouth_parts
from test_cli_eval import dd_eval, folders, videos  # noqa: F401 (fixtures)
from test_evaluation_fid import textbook

from dd_tools.errors import DataError
from dd_tools.evaluation.frames import FULL, FaceFrame, FramePair
from dd_tools.evaluation.given_network import Contract, GivenNetwork, cosines
from dd_tools.evaluation.measures import fvd, identity, image_quality, lip_score
from dd_tools.face.geometry import scale_of
from dd_tools.face.landmarks import LEFT_EYE, MOUTH, NOSE_TIP, RIGHT_EYE

NOISE = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
ANY_SIZE = Contract("--any", ("N", 3, "S", "S"))


def face(pixels: np.ndarray = NOISE, zoom: float = 2.0, turn: float = 0.0, shift: tuple = (0, 0)) -> FaceFrame:
    """A face in the middle of 200 × 200 pixels; turn: in degrees."""
    matrix = cv2.getRotationMatrix2D((48, 48), turn, zoom)
    matrix[:, 2] += np.add(52, shift)
    return FaceFrame(pixels, np.float32(dummy_face_landmarks() @ matrix[:, :2].T + matrix[:, 2]))


def plain(*colour: int) -> FaceFrame:
    return face(np.full((200, 200, 3), colour, np.uint8))


def result(measure, *pairs: tuple[FaceFrame, FaceFrame]) -> tuple[float, ...]:
    for pair in pairs:
        measure.add(FramePair(*pair))
    return measure.results()


class TestContract:
    @pytest.mark.parametrize(
        ("contract", "shape"),
        [
            (identity.INPUT, ("N", 3, 112, 112)),
            (identity.INPUT, (1, 3, 112, 112)),
            (identity.INPUT, ("N", 3, "h", "w")),
            (ANY_SIZE, ("N", 3, "h", "w")),
            (ANY_SIZE, (1, 3, 224, 224)),
            (lip_score.INPUT, (1, "T", 1, 88, 88)),
            (fvd.INPUT, (1, 3, 16, 224, 224)),
        ],
    )
    def test_fitting_networks_are_taken(self, tmp_path, contract, shape):
        network = GivenNetwork(write_colours(tmp_path / "net.onnx", shape), contract)
        assert network.sha256 == hashlib.sha256((tmp_path / "net.onnx").read_bytes()).hexdigest()
        assert network.size == (224 if contract is ANY_SIZE and shape[2] == 224 else None)

    @pytest.mark.parametrize(
        ("contract", "shape", "expected"),
        [
            (identity.INPUT, (1, 3, 224, 224), "--identity: its input is tensor(float) (1, 3, 224, 224), expected "
             "tensor(float) (N, 3, 112, 112)"),
            (identity.INPUT, (1, 112, 112, 3), "(1, 112, 112, 3), expected"),
            (identity.INPUT, (4, 3, 112, 112), "(4, 3, 112, 112), expected"),
            (identity.INPUT, (3, 112, 112), "(3, 112, 112), expected"),
            (lip_score.INPUT, (1, 5, 1, 88, 88), "(1, 5, 1, 88, 88), expected tensor(float) (1, T, 1, 88, 88)"),
            (lip_score.INPUT, (1, "T", 3, 88, 88), "--lipscore: its input is"),
            (fvd.INPUT, ("N", 3, 8, 224, 224), "expected tensor(float) (N, 3, 16, 224, 224)"),
            (image_quality.INPUT, ("N", 3, 224, 320), "--topiq: its input is tensor(float) (N, 3, 224, 320), expected "
             "tensor(float) (N, 3, S, S)"),
        ],
    )  # fmt: skip
    def test_others_are_told_what_is_expected(self, tmp_path, contract, shape, expected):
        with pytest.raises(DataError) as error:
            GivenNetwork(write_colours(tmp_path / "net.onnx", shape), contract)
        assert expected in str(error.value)
        assert "\n" not in str(error.value)

    def test_other_types_are_refused(self, tmp_path):
        shape, nodes = (1, 3, 112, 112), [node("Identity", "x", "y")]
        (tmp_path / "net.onnx").write_bytes(model(nodes, shape, shape, element=11))
        with pytest.raises(DataError, match=r"its input is tensor\(double\) \(1, 3, 112, 112\), expected tensor\(fl"):
            GivenNetwork(tmp_path / "net.onnx", identity.INPUT)

    @pytest.mark.parametrize("first", ["N", 1])
    def test_any_number_of_images(self, tmp_path, first):
        network = GivenNetwork(write_colours(tmp_path / "net.onnx", (first, 3, "S", "S")), ANY_SIZE)
        images = np.random.default_rng(0).random((37, 3, 8, 8))
        assert network(images) == pytest.approx(images.mean((2, 3)), abs=1e-6)

    def test_a_network_that_fails_is_named(self, tmp_path):
        nodes = [node("AveragePool", "x", "y", kernel_shape=(300, 300))]
        (tmp_path / "net.onnx").write_bytes(model(nodes, ("N", 3, "S", "S"), ("n", 3, "h", "w")))
        network = GivenNetwork(tmp_path / "net.onnx", ANY_SIZE)
        with pytest.raises(DataError, match=r"^cannot (compute|use) '.*net.onnx': [^\n]+$"):
            network(np.zeros((2, 3, 8, 8)))


def test_cosines():
    one, other = np.array([[1, 0], [1, 1], [0, 2.0], [0, 0]]), np.array([[3, 0], [1, -1], [0, -5.0], [1, 0]])
    assert cosines(one, other) == pytest.approx([1, 0, -1, math.nan], nan_ok=True)


class TestIdentity:
    def network(self, tmp_path) -> GivenNetwork:
        return GivenNetwork(write_colours(tmp_path / "net.onnx", ("N", 3, 112, 112)), identity.INPUT)

    def test_a_face_is_aligned_however_it_lies(self):
        """Blobs at the five points of a face come to lie where ArcFace's networks expect them."""
        for zoom, turn, shift in ((2, 0, (0, 0)), (1.2, 25, (10, -20)), (2.5, -10, (-5, 5))):
            landmarks = face(zoom=zoom, turn=turn, shift=shift).landmarks
            spots = [landmarks[RIGHT_EYE].mean(0), landmarks[LEFT_EYE].mean(0), landmarks[NOSE_TIP]]
            spots += [landmarks[48], landmarks[54]]
            found = []
            for spot in spots:
                rows, columns = np.indices((200, 200))
                blob = 255 * np.exp(-((columns - spot[0]) ** 2 + (rows - spot[1]) ** 2) / 18)
                aligned = identity.aligned_face(FaceFrame(np.uint8(blob)[..., None].repeat(3, -1), landmarks))[..., 0]
                found.append(np.average(np.argwhere(aligned > 20)[:, ::-1], axis=0, weights=aligned[aligned > 20]))
            # The drawn face has other proportions; apart from them, nothing is left to move, turn or scale.
            away = np.array(found) - identity.TEMPLATE
            assert np.abs(away).max() < 9
            assert away.mean(0) == pytest.approx([0, 0], abs=0.5)

    def test_the_similarity_of_colours(self, tmp_path):
        """In [−1, 1], these colours are nearly orthogonal."""
        measure = identity.Identity(self.network(tmp_path))
        grey = (plain(255, 127, 127), plain(127, 255, 128))
        assert result(measure, grey) == (pytest.approx(0, abs=0.02),)
        measure = identity.Identity(self.network(tmp_path))
        opposite = (plain(255, 255, 255), plain(0, 0, 0))
        assert result(measure, *[opposite] * 20, *[opposite[:1] * 2] * 20) == (pytest.approx(0, abs=1e-6),)

    def test_identical_faces_and_no_faces(self, tmp_path):
        network = self.network(tmp_path)
        assert result(identity.Identity(network), (face(), face())) == (pytest.approx(1),)
        hidden = FaceFrame(NOISE, None)
        assert math.isnan(result(identity.Identity(network), (face(), hidden), (hidden, face()))[0])


class TestLipScore:
    def network(self, tmp_path) -> GivenNetwork:
        return GivenNetwork(write_mouth_parts(tmp_path / "net.onnx"), lip_score.INPUT)

    def test_the_mouth_is_in_the_middle_and_upright(self):
        for zoom, turn in ((2, 0), (1.5, 30), (2.4, -15)):
            one = face(zoom=zoom, turn=turn)
            rows, columns = np.indices((200, 200))
            centre = one.landmarks[MOUTH].mean(0)
            side = lip_score.SIDE * scale_of(dummy_pose()) * zoom
            # The person's left of the mouth, that is, of an upright face the right half of the image, is white.
            along = np.array([math.cos(math.radians(turn)), -math.sin(math.radians(turn))])
            distance = np.stack([columns - centre[0], rows - centre[1]], -1) @ along
            crop = lip_score.mouth_crop(
                FaceFrame(np.uint8(255 * (distance > 0))[..., None].repeat(3, -1), one.landmarks)
            )
            assert crop.shape == (88, 88)
            assert crop[:, :42].max() < 60 and crop[:, 46:].min() > 195
            edge = np.uint8(255 * (np.abs(distance) < side / 4))[..., None].repeat(3, -1)
            assert lip_score.mouth_crop(FaceFrame(edge, one.landmarks)).mean() == pytest.approx(127.5, abs=8)

    def test_the_mean_over_frames_of_all_segments(self, tmp_path):
        measure = lip_score.LipScore(self.network(tmp_path))
        black, white = plain(0, 0, 0), plain(255, 255, 255)
        assert result(measure, *[(white, white)] * 270, *[(white, black)] * 30) == (pytest.approx(0.8),)

    def test_frames_without_a_face(self, tmp_path):
        hidden = FaceFrame(NOISE, None)
        measure = lip_score.LipScore(self.network(tmp_path))
        assert result(measure, (face(), hidden), (face(), face())) == (pytest.approx(1),)
        assert math.isnan(result(lip_score.LipScore(self.network(tmp_path)), (hidden, face()))[0])


class TestImageQuality:
    @pytest.mark.parametrize("size", ["S", 32])
    def test_the_scores_of_both_faces(self, tmp_path, size):
        """The network returns the mean colour, from 0 to 1; a network with several outputs is averaged."""
        network = GivenNetwork(write_colours(tmp_path / "net.onnx", ("N", 3, size, size)), image_quality.INPUT)
        measure = image_quality.ImageQuality(network)
        pairs = [(plain(51, 51, 51), plain(102, 102, 102)), (plain(255, 255, 255), plain(0, 0, 0))] * 9
        assert result(measure, *pairs, (plain(0, 0, 0), FaceFrame(NOISE, None))) == pytest.approx((0.2, 0.6), abs=1e-3)
        assert all(math.isnan(value) for value in image_quality.ImageQuality(network).results())

    def test_the_crop_is_the_face(self):
        hidden = NOISE.copy()
        low, high = face().landmarks.min(0).astype(int) + 4, face().landmarks.max(0).astype(int) - 4
        hidden[low[1] : high[1], low[0] : high[0]] = 0
        assert (image_quality.face_crop(face(hidden), 64) == 0).mean() > 0.5


class TestFvd:
    def distance(self, tmp_path) -> fvd.SystemFvd:
        path = write_colours(tmp_path / "net.onnx", (1, 3, 16, 224, 224))
        return fvd.SystemFvd(fvd.VideoNetwork(GivenNetwork(path, fvd.INPUT)))

    def test_windows_of_sixteen_frames_and_the_distance_of_their_features(self, tmp_path):
        """The network returns the mean colour of a window; the rest after the last window is left out."""
        colours = np.random.default_rng(0).integers(0, 256, (2, 3, 40, 3))  # truth and generated, clips, frames
        distance = self.distance(tmp_path)
        for clip in range(3):
            observer = distance.observer()
            for pair in zip(*colours[:, clip], strict=True):
                frames = (FaceFrame(np.full((8, 8, 3), colour, np.uint8), None) for colour in pair)
                observer.add(FramePair(*frames, FULL))
            distance.keep("ours", observer)
        features = colours[:, :, :32].reshape(2, 6, 16, 3).mean(2) / 127.5 - 1
        assert distance.values() == {"ours": pytest.approx(textbook(*features), rel=0.01)}

    def test_a_frame_without_a_face_ends_a_window(self, tmp_path):
        observer = self.distance(tmp_path).observer()
        pair = FramePair(FaceFrame(dummy_marked_face(), dummy_face_landmarks()), FaceFrame(dummy_marked_face(), None))
        gap = FramePair(FaceFrame(dummy_marked_face(), None), FaceFrame(dummy_marked_face(), None))
        for frame in [pair] * 10 + [gap] + [pair] * 15 + [gap] + [pair] * 33:
            observer.add(frame)
        assert [moments.count for moments in observer.moments] == [2, 2]


def test_columns_appear_with_their_networks_only(folders, tmp_path):  # noqa: F811
    """The files are in the signature and are named; without them there is no column."""
    write_colours(tmp_path / "face.onnx", ("N", 3, 112, 112))
    write_mouth_parts(tmp_path / "lips.onnx")
    write_colours(tmp_path / "quality.onnx", ("N", 3, "S", "S"))
    write_colours(tmp_path / "video.onnx", ("N", 3, 16, 224, 224))
    options = ["--identity", "face.onnx", "--lipscore", "lips.onnx", "--topiq", "quality.onnx", "--fvd", "video.onnx"]
    status, out, err = dd_eval("ours", "--truth", "gt", *options, "--baseline", "--json", "r.json")
    assert status == 0
    sha256 = hashlib.sha256((tmp_path / "face.onnx").read_bytes()).hexdigest()
    assert f"dd-eval: --identity uses 'face.onnx' (SHA-256 {sha256[:8]}…)" in err.splitlines()
    assert f"|identity:onnx-{sha256[:8]},cosine," in out
    report = json.loads((tmp_path / "r.json").read_text())
    unchanged = next(one for one in report["systems"] if one["system"] == "(truth unchanged)")
    for key in ("identity", "lip_score"):
        assert unchanged[key]["mean"] == pytest.approx(1)
    assert unchanged["topiq"] == unchanged["topiq_truth"]
    assert "fvd" in unchanged and "fvd" not in report["clips"][0]
    without = dd_eval("ours", "--truth", "gt").output
    for heading in ("identity ↑", "LipScore ↑", "TOPIQ ↑", "TOPIQ of truth", "FVD ↓"):
        assert heading in out and heading not in without


def test_a_network_that_does_not_fit_is_one_line(folders, tmp_path):  # noqa: F811
    write_colours(tmp_path / "face.onnx", ("N", 3, 96, 96))
    status, out, err = dd_eval("ours", "--truth", "gt", "--identity", "face.onnx", "-q")
    assert (status, out) == (1, "")
    assert err == (
        "dd-eval: cannot use 'face.onnx' for --identity: its input is tensor(float) (N, 3, 96, 96), "
        "expected tensor(float) (N, 3, 112, 112)\n"
    )
