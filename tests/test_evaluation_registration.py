"""Other framings lined up with the truth's, and only those."""

import cv2
import numpy as np
import pytest
from factories import dummy_face, dummy_face_landmarks, shared_file
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.frames import FramePair, Picture
from dd_tools.evaluation.landmarks import raw_lmd
from dd_tools.evaluation.pairs import Pair
from dd_tools.evaluation.protocol import Protocol
from dd_tools.evaluation.quality import outside_error, psnr
from dd_tools.evaluation.registration import fit_similarity, register_if_needed
from dd_tools.face.affine import inverted, resample, transform
from dd_tools.face.detectors.registry import open_detector


def pictures(count: int = 8) -> list[Picture]:
    """A talking face in soft lines, which resampling does not hurt."""
    faces = [dummy_face_landmarks(opening=0.1 + 0.03 * index) for index in range(count)]
    images = [cv2.GaussianBlur(dummy_face(landmarks, 192), (0, 0), 2) for landmarks in faces]
    return [Picture(image, face, index / 25) for index, (image, face) in enumerate(zip(images, faces, strict=True))]


def reframed(picture: Picture, to_truth: np.ndarray, size: tuple[int, int]) -> Picture:
    """The same scene as another camera has it; to_truth (2,3) leads back."""
    landmarks = transform(picture.landmarks, inverted(to_truth)).astype(np.float32)
    return Picture(resample(picture.image, to_truth, size), landmarks, picture.pts)


ZOOMED = np.array([[0.7, 0.05, -6.0], [-0.05, 0.7, -4.0]])


def test_another_zoom_turn_and_size_are_undone():
    truth = pictures()
    lined_up, registered = register_if_needed(
        zip(truth, [reframed(one, ZOOMED, (200, 210)) for one in truth], strict=True)
    )
    assert registered
    frames = [FramePair(*pair) for pair in lined_up]
    assert len(frames) == len(truth)
    for frame in frames:
        assert frame.generated.image.shape == frame.truth.image.shape
        assert raw_lmd(frame) < 0.01
        assert psnr(frame) > 35
        assert outside_error(frame) is None
        assert frame.generated.original.image.shape == (210, 200, 3)
        assert frame.generated.pts == frame.truth.pts


def test_videos_framed_alike_pass_untouched():
    truth = pictures()
    made = pictures()
    lined_up, registered = register_if_needed(zip(truth, made, strict=True))
    assert not registered
    assert all(one is other for (_, one), other in zip(lined_up, made, strict=True))


def test_a_frame_without_a_face_is_moved_like_its_neighbours():
    truth = pictures()
    made = [reframed(one, ZOOMED, (200, 210)) for one in truth]
    made[4] = Picture(made[4].image, None, made[4].pts)
    lined_up, _ = register_if_needed(zip(truth, made, strict=True))
    frame = FramePair(*list(lined_up)[4])
    assert frame.generated.landmarks is None
    assert psnr(frame) > 35


def test_one_trembling_frame_is_smoothed():
    truth = pictures(5)
    made = [reframed(one, ZOOMED, (200, 210)) for one in truth]
    made[2] = Picture(made[2].image, made[2].landmarks + np.float32(5), made[2].pts)
    lined_up, _ = register_if_needed(zip(truth, made, strict=True))
    assert raw_lmd(FramePair(*list(lined_up)[2])) == pytest.approx(5 * 0.7 * 2**0.5 * 4 / 5 * 256 / 192, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 5), st.floats(-3, 3), st.floats(-100, 100), st.floats(-100, 100))
def test_any_similarity_is_found(scale, angle, right, down):
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    similarity = np.array([[cos, -sin, right], [sin, cos, down]])
    points = dummy_face_landmarks().astype(np.float64)
    assert fit_similarity(points, transform(points, similarity)) == pytest.approx(similarity, abs=1e-6)


@pytest.mark.clips
def test_a_published_crop_becomes_comparable():
    from itertools import islice

    from dd_tools.evaluation.scoring import score_pair

    folder = shared_file("data/table1")
    pair = Pair("pcavs", "RD_Radio22", folder / "pcavs/RD_Radio22.mp4", folder / "gt/RD_Radio22.mp4")
    [clip] = score_pair(
        pair, Protocol(register=True), open_detector(), progress=lambda frames, total: islice(frames, 5)
    )
    assert clip.registered
    assert clip.name == "pcavs/RD_Radio22 (registered)"
    assert clip.values["psnr"] == pytest.approx(22.15, abs=3)  # Table 1
