"""Videos with another framing are registered to their truth, and only those."""

import cv2
import numpy as np
import pytest
from factories import FirstFrames, dummy_face, dummy_face_landmarks, shared_file
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.lmd import raw_lmd
from dd_tools.evaluation.measures.outside import outside_error
from dd_tools.evaluation.measures.psnr import psnr
from dd_tools.evaluation.pairs import VideoPair
from dd_tools.evaluation.protocol import EvaluationProtocol
from dd_tools.evaluation.registration import fit_similarity, register_if_needed
from dd_tools.face.affine import invert, resample, transform
from dd_tools.face.detectors.registry import open_detector


def truth_frames(count: int = 8) -> list[FaceFrame]:
    """A talking face with soft edges, which resampling hardly changes."""
    faces = [dummy_face_landmarks(opening=0.1 + 0.03 * index) for index in range(count)]
    drawings = [cv2.GaussianBlur(dummy_face(landmarks, 192), (0, 0), 2) for landmarks in faces]
    return [
        FaceFrame(pixels, face, index / 25) for index, (pixels, face) in enumerate(zip(drawings, faces, strict=True))
    ]


def reframed(frame: FaceFrame, to_truth: np.ndarray, size: tuple[int, int]) -> FaceFrame:
    """The same scene in another framing; to_truth (2,3) maps back."""
    landmarks = transform(frame.landmarks, invert(to_truth)).astype(np.float32)
    return FaceFrame(resample(frame.pixels, to_truth, size), landmarks, frame.pts)


ZOOMED = np.array([[0.7, 0.05, -6.0], [-0.05, 0.7, -4.0]])


def test_another_zoom_rotation_and_size_are_undone():
    truth = truth_frames()
    aligned, registered = register_if_needed(
        zip(truth, [reframed(one, ZOOMED, (200, 210)) for one in truth], strict=True)
    )
    assert registered
    frames = [FramePair(*pair) for pair in aligned]
    assert len(frames) == len(truth)
    for frame in frames:
        assert frame.generated.pixels.shape == frame.truth.pixels.shape
        assert raw_lmd(frame) < 0.01
        assert psnr(frame) > 35
        assert outside_error(frame) is None
        assert frame.generated.original.pixels.shape == (210, 200, 3)
        assert frame.generated.pts == frame.truth.pts


def test_videos_with_the_same_framing_are_unchanged():
    truth, generated = truth_frames(), truth_frames()
    aligned, registered = register_if_needed(zip(truth, generated, strict=True))
    assert not registered
    assert all(one is other for (_, one), other in zip(aligned, generated, strict=True))


def test_a_frame_without_a_face_is_warped_like_its_neighbours():
    truth = truth_frames()
    generated = [reframed(one, ZOOMED, (200, 210)) for one in truth]
    generated[4] = FaceFrame(generated[4].pixels, None, generated[4].pts)
    aligned, _ = register_if_needed(zip(truth, generated, strict=True))
    frame = FramePair(*list(aligned)[4])
    assert frame.generated.landmarks is None
    assert psnr(frame) > 35


def test_one_noisy_frame_is_smoothed():
    truth = truth_frames(5)
    generated = [reframed(one, ZOOMED, (200, 210)) for one in truth]
    generated[2] = FaceFrame(generated[2].pixels, generated[2].landmarks + np.float32(5), generated[2].pts)
    aligned, _ = register_if_needed(zip(truth, generated, strict=True))
    assert raw_lmd(FramePair(*list(aligned)[2])) == pytest.approx(5 * 0.7 * 2**0.5 * 4 / 5 * 256 / 192, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 5), st.floats(-3, 3), st.floats(-100, 100), st.floats(-100, 100))
def test_any_similarity_is_found(scale, angle, right, down):
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    similarity = np.array([[cos, -sin, right], [sin, cos, down]])
    points = dummy_face_landmarks().astype(np.float64)
    assert fit_similarity(points, transform(points, similarity)) == pytest.approx(similarity, abs=1e-6)


@pytest.mark.clips
def test_a_published_crop_becomes_comparable():
    from dd_tools.evaluation.scoring import score_pair

    folder = shared_file("data/table1")
    pair = VideoPair("pcavs", "RD_Radio22", folder / "pcavs/RD_Radio22.mp4", folder / "gt/RD_Radio22.mp4")
    [clip] = score_pair(pair, EvaluationProtocol(register=True), open_detector(), reporter=FirstFrames(5))
    assert clip.registered
    assert clip.name == "pcavs/RD_Radio22 (registered)"
    assert clip.values["psnr"] == pytest.approx(22.15, abs=3)  # Table 1
