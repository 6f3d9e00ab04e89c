"""Preparation: images and videos to clips, faces that disappear and return, landmarks from a file."""

import shutil
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from factories import (
    DummyDetector,
    dummy_face_landmarks,
    dummy_lossless_video,
    dummy_marked_face,
    dummy_talk,
    shared_file,
)
from PIL import Image
from reporters import RecordingReporter
from skimage import data

from dd_tools.errors import DataError, UsageError
from dd_tools.face.affine import transform
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.preparation import prepare_all_faces, prepare_clip, report_lines
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.clip import Clip, Status
from dd_tools.media.video import read_frames

ASTRONAUT = data.astronaut()


@pytest.fixture(scope="module")
def detector():
    return open_detector()


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "portrait.png"
    Image.fromarray(ASTRONAUT).save(path)
    return path


def marked(**options) -> np.ndarray:
    """A frame of 160 × 160 pixels with a face for `DummyDetector` near its centre."""
    return dummy_marked_face(**{"right": 30, "down": 20, "size": 160} | options)


@pytest.fixture(scope="module")
def original_talk(tmp_path_factory):
    return dummy_talk(tmp_path_factory.mktemp("videos") / "talk.mp4")


@pytest.fixture
def talk(original_talk, tmp_path):
    return Path(shutil.copy2(original_talk, tmp_path))


def prepare(video, tmp_path, detector=None, landmarks_path=None, **settings):
    out = tmp_path / "out.h5"
    detector = detector or (None if landmarks_path else DummyDetector())
    report = prepare_clip(video, out, PrepSettings(**settings), detector=detector, landmarks_path=landmarks_path)
    return report, Clip(out)


def test_an_image_is_a_clip_of_one_frame(portrait, tmp_path, detector):
    report, clip = prepare(portrait, tmp_path, detector)
    assert (report.frames, report.usable, report.unusable_spans, report.damage) == (1, 1, [], None)
    assert clip.source.is_still
    assert (clip.source.width, clip.source.height, clip.source.name) == (512, 512, "portrait.png")
    assert (clip.size, clip.face_size, list(clip.pts), list(clip.status)) == (192, 192, [0.0], [Status.OK])
    assert clip.detector == {"name": "mediapipe", "version": detector.version}
    found = transform(clip.landmarks[0], clip.crop_to_source[0])
    np.testing.assert_allclose(found, detector.detect(ASTRONAUT)[0], atol=0.01)
    assert 0.2 < clip.mask[0].mean() < 0.5
    assert all(clip.mask[0][y, x] for x, y in np.rint(clip.landmarks[0, 48:]).astype(int))
    column, row = transform(np.array([96.0, 96.0]), clip.crop_to_source[0]).round().astype(int)
    assert np.abs(clip.frames[0][96, 96].astype(int) - ASTRONAUT[row, column]).max() < 25


@pytest.mark.parametrize("crop", ["face", "head"])
def test_landmarks_map_back_to_where_they_were_detected(talk, tmp_path, crop):
    _, clip = prepare(talk, tmp_path, crop=crop, size=64)
    for index, frame in enumerate(read_frames(talk)):
        if index in clip.usable:
            detected = DummyDetector().detect(frame.image)[0]
            found = transform(clip.landmarks[index], clip.crop_to_source[index])
            np.testing.assert_allclose(found, detected, atol=0.05)


def test_frames_without_a_face_are_kept_and_reported(talk, tmp_path):
    report, clip = prepare(talk, tmp_path)
    assert (report.frames, report.usable) == (24, 19)
    (span,) = report.unusable_spans
    assert (span.status, span.first, span.last) == (Status.NO_FACE, 8, 12)
    assert (span.start, span.end) == pytest.approx((0.32, 0.48))
    assert [index for index in range(24) if index not in clip.usable] == [8, 9, 10, 11, 12]
    np.testing.assert_allclose(clip.pts, np.arange(24) / 25, atol=1e-3)
    for index in range(24):
        is_usable = index in clip.usable
        assert clip.mask[index].any() == clip.face[index].any() == clip.landmarks[index].any() == is_usable
        assert clip.frames[index].std() > 5
    steps = np.diff(clip.crop_to_source[:, 0, 2])
    assert steps.min() > 0
    np.testing.assert_allclose(steps[7:13], steps[7])


def test_each_shot_has_its_number_and_its_own_place(tmp_path):
    """The head stands still, jumps with the cut, and stands still again."""
    frames = [marked()] * 6 + [255 - marked(right=42, down=28)] * 6
    for frame in frames[6:]:
        frame[0, 0] = marked(right=42, down=28)[0, 0]
    _, clip = prepare(dummy_lossless_video(tmp_path / "cut.mp4", frames), tmp_path)
    assert clip.shot.tolist() == [0] * 6 + [1] * 6
    steps = np.diff(clip.crop_to_source[:, :, 2], axis=0)
    np.testing.assert_allclose(steps[5], [12, 8], atol=1e-4)
    np.testing.assert_allclose(np.delete(steps, 5, axis=0), 0, atol=1e-4)


@pytest.mark.parametrize("count", [0, 17, 23, 25, 30])
def test_passes_over_a_video_that_differ_in_length_are_an_error(talk, tmp_path, monkeypatch, count):
    def decode(*arguments, **options):
        return islice(cycle(read_frames(*arguments, **options)), count)

    monkeypatch.setattr("dd_tools.face.cutting.read_frames", decode)
    with pytest.raises(DataError, match=rf"^cannot cut '.*talk\.mp4': {count} frames, but 24 when faces were tracked"):
        prepare(talk, tmp_path)
    assert not list(tmp_path.glob("*out*"))


def film(tmp_path, covered, count: int = 16, cut: int | None = None) -> Path:
    """A video of `count` frames with a dark disc before the mouth in those that are `covered`."""
    frames = [marked(opening=0.1 + 0.02 * (t % 5)) for t in range(count)]
    for t in covered:
        x, y = DummyDetector().detect(frames[t])[0, 48:].mean(0).astype(int)
        cv2.circle(frames[t], (int(x), int(y)), 22, (30, 30, 30), -1)
    for frame in frames[cut:] if cut else []:
        frame[1:] = frame[1:] // 2
    return dummy_lossless_video(tmp_path / "film.mp4", frames)


@pytest.mark.parametrize(
    ("covered", "cut", "expected"),
    [
        (range(5, 12), None, range(5, 12)),
        ([*range(4), *range(13, 16)], None, [*range(4), *range(13, 16)]),
        ([3, 4, 9], None, []),  # too short to be believed
        ([3, 4, 6, 7], None, range(4, 7)),
        (range(6, 16), 6, range(6, 16)),
        ([8, 9], None, []),
        ([8, 9], 8, [8, 9]),  # that is how the shot begins
        ([6, 7, 8, 9], 8, range(6, 10)),
    ],
)
def test_frames_with_a_covered_mouth_are_marked_and_reported(tmp_path, covered, cut, expected):
    report, clip = prepare(film(tmp_path, covered, cut=cut), tmp_path)
    assert np.flatnonzero(clip.status == Status.COVERED).tolist() == [*expected]
    assert clip.usable.tolist() == [t for t in range(16) if t not in [*expected]]
    assert report.usable == 16 - len(expected)
    assert sum(span.last + 1 - span.first for span in report.unusable_spans) == len(expected)
    for t in range(16):
        assert clip.mask[t].any() == clip.face[t].any() == clip.landmarks[t].any() == (t not in expected)
        assert clip.frames[t].std() > 5


def test_covered_mouths_are_a_line_of_the_report(tmp_path):
    report, _ = prepare(film(tmp_path, range(5, 12)), tmp_path)
    assert report_lines(report, "film.mp4") == [
        "'film.mp4': 9 of 16 frames usable",
        "'film.mp4': 0.20-0.44 s (frames 5-11): mouth covered",
    ]


def test_a_mouth_that_is_covered_throughout_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"^no usable face in '.*film\.mp4': mouth covered$"):
        prepare(film(tmp_path, range(16)), tmp_path)
    assert not list(tmp_path.glob("*out*"))


def test_a_face_whose_mouth_is_covered_throughout_does_not_keep_others_from_their_clips(tmp_path):
    prepared = prepare_all_faces(
        film(tmp_path, range(16)), tmp_path / "a-0.h5", PrepSettings(), detector=DummyDetector()
    )
    assert [report.usable for report in prepared.values()] == [0]
    with Clip(tmp_path / "a-0.h5") as clip:
        assert set(clip.status) == {Status.COVERED}


def test_both_passes_report_progress(talk, tmp_path):
    report = RecordingReporter()
    prepare_clip(talk, tmp_path / "out.h5", PrepSettings(), detector=DummyDetector(), report=report)
    assert report.loops == [(24, "talk.mp4: tracking"), (24, "talk.mp4: cutting")]


def test_the_papers_mask_follows_the_mouth_and_the_steady_one_does_not(talk, tmp_path):
    _, clip = prepare(talk, tmp_path)
    masks = clip.mask[:][clip.usable]
    np.testing.assert_array_equal(masks, np.tile(masks[0], (len(masks), 1, 1)))
    chin = clip.landmarks[clip.usable, 8, 1]
    assert np.ptp(chin) > 2
    _, clip = prepare(talk, tmp_path, mask="paper")
    lowest = [np.flatnonzero(mask.any(1)).max() for mask in clip.mask[:][clip.usable]]
    assert np.corrcoef(lowest, chin)[0, 1] > 0.8


def test_the_head_crop_is_fixed_and_the_face_crop_follows_the_face(talk, tmp_path):
    _, clip = prepare(talk, tmp_path, crop="head", size=80)
    np.testing.assert_array_equal(clip.crop_to_source, np.tile(clip.crop_to_source[0], (24, 1, 1)))
    assert np.ptp(clip.landmarks[clip.usable, 30, 0]) > 8
    _, clip = prepare(talk, tmp_path, crop="face", size=80)
    assert np.ptp(clip.landmarks[clip.usable, 30, 0]) < 4


@pytest.mark.parametrize("change", [lambda frames: frames[:-1], lambda frames: [*frames, frames[-1]]])
def test_passes_that_decode_different_numbers_of_frames_are_an_error(talk, tmp_path, monkeypatch, change):
    decoded = lambda *arguments, **options: iter(change(list(read_frames(*arguments, **options))))  # noqa: E731
    monkeypatch.setattr("dd_tools.face.cutting.read_frames", decoded)
    with pytest.raises(DataError, match=r"talk.mp4': 2[35] frames, but 24 when faces were tracked"):
        prepare(talk, tmp_path)
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(("seconds", "end"), [(2.0, 2.92), (None, None)])
def test_a_clip_says_when_a_last_frame_that_stands_ends(talk, tmp_path, monkeypatch, seconds, end):
    def decoded(*arguments, **options):
        *frames, last = read_frames(*arguments, **options)
        yield from frames
        yield last._replace(duration=seconds or last.duration)

    monkeypatch.setattr("dd_tools.face.tracking.first_pass.read_frames", decoded)
    _, clip = prepare(talk, tmp_path)
    assert clip.source.end == (end and pytest.approx(end))


@pytest.mark.parametrize(("fps", "count"), [(12.5, 12), (50, 48)])
def test_fps_resamples(talk, tmp_path, fps, count):
    _, clip = prepare(talk, tmp_path, fps=fps)
    assert abs(clip.length - count) <= 1
    np.testing.assert_allclose(np.diff(clip.pts), 1 / fps, atol=1e-3)
    expected = {
        "size": 192,
        "crop": "face",
        "mask": "steady",
        "fps": fps,
        "face": "prominent",
        "at": None,
        "deinterlace": False,
    }
    assert clip.settings == expected


def test_a_mouth_outside_the_frame_or_a_tiny_face_cannot_be_dubbed(tmp_path):
    frames = [marked(), marked(down=80), marked(), marked(right=-45)]
    report, _ = prepare(dummy_lossless_video(tmp_path / "rim.mp4", frames), tmp_path)
    assert [(span.status, span.first) for span in report.unusable_spans] == [
        (Status.OUT_OF_FRAME, 1),
        (Status.OUT_OF_FRAME, 3),
    ]
    tiny = np.tile(dummy_face_landmarks() * np.float32(0.2) + 60, (4, 1, 1))
    np.save(tmp_path / "tiny.npy", tiny)
    with pytest.raises(DataError, match=r"no usable face in '.*rim\.mp4': face too small"):
        prepare(tmp_path / "rim.mp4", tmp_path, landmarks_path=tmp_path / "tiny.npy")


class TestLandmarksFromAFile:
    def test_are_used_unchanged_and_zeros_mean_no_face(self, talk, tmp_path):
        own = np.stack([dummy_face_landmarks(opening=0.1) + np.float32([20 + t, 25]) for t in range(24)])
        own[[0, 5]] = 0
        np.save(tmp_path / "own.npy", own.astype(np.float64))
        report, clip = prepare(talk, tmp_path, landmarks_path=tmp_path / "own.npy")
        assert [(span.first, span.last) for span in report.unusable_spans] == [(0, 0), (5, 5)]
        assert clip.detector["name"] == "own"
        found = [transform(clip.landmarks[t], clip.crop_to_source[t]) for t in clip.usable]
        np.testing.assert_allclose(found, own[clip.usable], atol=0.05)

    @pytest.mark.parametrize(
        ("array", "complaint"),
        [
            (np.ones((23, 68, 2)), r"cannot use '.*own\.npy': 23 frames, but '.*talk\.mp4' has 24"),
            (np.ones((24, 5, 2)), r"cannot use '.*own\.npy': shape \(24, 5, 2\), expected \(T, 68, 2\)"),
            (np.ones((24, 136)), r"cannot read '.*own\.npy': shape \(24, 136\), expected"),
            (np.full((24, 68, 2), np.nan), r"cannot read '.*own\.npy': holds NaN"),
            (np.zeros((24, 68, 2)), r"no face found in '.*talk\.mp4'"),
            (
                np.full((24, 68, 2), -3e38),
                r"cannot use '.*own\.npy': coordinates up to 3e\+38, expected pixels of a frame",
            ),
        ],
    )
    def test_that_do_not_fit_are_an_error(self, talk, tmp_path, array, complaint):
        np.save(tmp_path / "own.npy", array)
        with pytest.raises(DataError, match=complaint):
            prepare(talk, tmp_path, landmarks_path=tmp_path / "own.npy")
        assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"size": 8}, "size 8 is out of range"),
        ({"size": 5000}, "size 5000 is out of range"),
        ({"crop": "body"}, "unknown crop 'body', expected face or head"),
        ({"mask": "none"}, "unknown mask 'none', expected steady or paper"),
        ({"fps": -1}, "frame rate -1 is out of range"),
        ({"fps": float("nan")}, "frame rate nan is out of range"),
    ],
)
def test_settings_are_checked(settings, complaint):
    with pytest.raises(UsageError, match=complaint):
        PrepSettings(**settings)


@pytest.mark.clips
def test_in_a_real_clip_eyes_and_nose_stay_in_place(tmp_path, detector):
    report, clip = prepare(shared_file("data/heldout/grid_s34.mp4"), tmp_path, detector)
    assert report.usable == report.frames == 75
    rigid, moving = clip.landmarks[:, [39, 42, 30]], clip.landmarks[:, [57, 8]]
    assert rigid.std(0).max() < 1.2
    assert moving[..., 1].std(0).min() > 1.0


@pytest.mark.clips
def test_a_clip_in_the_papers_framing_is_not_resampled(tmp_path, detector):
    video = shared_file("data/heldout/RD_Radio22.mp4")
    frames = [frame.image for frame, _ in zip(read_frames(video), range(8), strict=False)]
    cut = dummy_lossless_video(tmp_path / "cut.mp4", frames)
    _, clip = prepare(cut, tmp_path, detector, crop="head", size=256, mask="paper")
    np.testing.assert_array_equal(clip.crop_to_source[0], np.eye(3)[:2])
    for index, frame in enumerate(read_frames(cut)):
        np.testing.assert_array_equal(clip.frames[index], frame.image)
