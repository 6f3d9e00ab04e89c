"""Preparation of videos as users have them, composed of real clips: several people, cuts, frame rates, formats."""

import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, shared_file
from PIL import Image

from dd_tools.face.affine import transform
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.preparation import list_faces, prepare_all_faces, prepare_clip
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.clip import Clip, Status

pytestmark = pytest.mark.clips

LEFT, RIGHT, OTHER = ("data/heldout/grid_s34.mp4", "data/heldout/grid_swiz3n.mp4", "data/heldout/RD_Radio22.mp4")
LOSSLESS = {"c:v": "libx264", "qp": 0, "preset": "ultrafast"}


@pytest.fixture(scope="module")
def detector():
    return open_detector()


def frames_of(name: str, count: int = 12):
    return ffmpeg.input(str(shared_file(name)))["v:0"].filter("trim", end_frame=count)


@pytest.fixture(scope="module")
def conversation(tmp_path_factory):
    """50 frames of two people side by side, then 25 of a third; the sound is the right one's."""
    both = ffmpeg.filter([frames_of(LEFT, 50), frames_of(RIGHT, 50)], "hstack").filter("setsar", 1)
    third = frames_of(OTHER, 25).filter("scale", 288, 288).filter("pad", 720, 288, 200, 0).filter("setsar", 1)
    film = ffmpeg.concat(both, third, v=1, a=0)
    voice = ffmpeg.input(str(shared_file(RIGHT)))["a:0"]
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return dummy_media(path, film, voice, pix_fmt="yuv420p", **LOSSLESS)


def nose(clip: Clip, index: int) -> float:
    """x of the nose in the source, in pixels."""
    return float(transform(clip.landmarks[index, 30], clip.crop_to_source[index])[0])


def prepared(video, tmp_path, detector, **settings) -> Clip:
    prepare_clip(video, tmp_path / "clip.h5", PrepSettings(**settings), detector=detector)
    return Clip(tmp_path / "clip.h5")


def test_every_face_gets_a_clip_and_a_tile(conversation, tmp_path, detector):
    tracks = list_faces(conversation, tmp_path / "sheet.png", PrepSettings(), detector=detector)
    seen = [(track.shot, track.indices[0], len(track.indices)) for track in tracks]
    assert seen == [(0, 0, 50)] * 2 + [(1, 50, 25)]
    assert Image.open(tmp_path / "sheet.png").size[0] > 3 * 160
    reports = prepare_all_faces(conversation, tmp_path / "f-0.h5", PrepSettings(), detector=detector)
    assert [path.name for path in reports] == ["f-0.h5", "f-1.h5", "f-2.h5"]
    assert [(report.frames, report.usable) for report in reports.values()] == [(75, 50), (75, 50), (75, 25)]
    sides = []
    for path, first in zip(reports, (0, 0, 50), strict=True):
        with Clip(path) as clip:
            sides.append(nose(clip, first) // 360)
            assert set(clip.status) == {Status.OK, Status.OTHER_SHOT}
            assert not clip.frames[74 - first].any()
    assert sorted(sides[:2]) == [0, 1]
    with prepared(conversation, tmp_path, detector, face="1") as one, Clip(tmp_path / "f-1.h5") as same:
        np.testing.assert_array_equal(one.mask[:], same.mask[:])
        for name in ("frames", "face"):  # cut out of another part of the frame, so positions are rounded otherwise
            np.testing.assert_allclose(getattr(one, name)[:].astype(int), getattr(same, name)[:], atol=1)


@pytest.mark.parametrize(
    ("choice", "side", "usable"),
    [
        ({"at": (180, 140)}, 0, 50),
        ({"at": (540, 140)}, 1, 50),
        ({"face": "speaking"}, 1, 75),
        ({"face": "prominent"}, None, 75),
        ({"face": "largest"}, None, 75),
    ],
)
def test_the_chosen_speaker_is_tracked_and_chosen_again_after_the_cut(
    conversation, tmp_path, detector, choice, side, usable
):
    with prepared(conversation, tmp_path, detector, **choice) as clip:
        assert len(clip.usable) == usable
        places = [nose(clip, index) for index in range(50)]
        assert len({place // 360 for place in places}) == 1
        assert side is None or places[0] // 360 == side
        if usable == 75:
            # No crop lies between those of the two shots: smoothing stops at the cut.
            assert abs(nose(clip, 50) - nose(clip, 51)) < 5


def test_a_face_that_leaves_the_frame_and_returns(tmp_path, detector):
    """The camera pans until the face is outside the frame, and back."""
    wide = frames_of(LEFT, 60).filter("pad", 720, 288, 0, 0)
    panned = wide.filter("crop", 360, 288, "if(lt(n,10),0,if(lt(n,25),(n-10)*24,if(lt(n,40),(40-n)*24,0)))", 0)
    path = dummy_media(tmp_path / "v.mp4", panned, pix_fmt="yuv420p", **LOSSLESS)
    report = prepare_clip(path, tmp_path / "c.h5", PrepSettings(), detector=detector)
    with Clip(tmp_path / "c.h5") as clip:
        assert set(clip.status[:11]) == set(clip.status[45:]) == {Status.OK}
        assert not np.any(clip.status[22:30] == Status.OK)
        assert {span.status for span in report.unusable_spans} <= {Status.NO_FACE, Status.OUT_OF_FRAME}


# Filter, pixel format, size as displayed.
FORMATS = {
    "10 bit": (("null", {}), "yuv420p10le", (360, 288)),
    "full range": (("scale", {"out_range": "pc"}), "yuvj420p", (360, 288)),
    "4:4:4": (("null", {}), "yuv444p", (360, 288)),
    "odd size": (("crop", {"w": 333, "h": 287, "x": 13, "y": 0, "exact": 1}), "yuv444p", (333, 287)),
    "non-square pixels": (("setsar", {"sar": "16/15"}), "yuv420p", (384, 288)),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_crop_is_the_same_in_every_format(tmp_path, detector, kind):
    (name, options), pixels, size = FORMATS[kind]
    stream = frames_of(LEFT).filter(name, **options)
    path = dummy_media(tmp_path / "v.mkv", stream, pix_fmt=pixels, **LOSSLESS)
    with prepared(path, tmp_path, detector) as clip:
        assert (clip.source.width, clip.source.height) == size
        assert len(clip.usable) == clip.length == 12
        frames, places = clip.frames[:].astype(float), [nose(clip, index) for index in range(12)]
    if kind == "non-square pixels":
        return
    with prepared(shared_file(LEFT), tmp_path, detector) as plain:
        shift = 13 if kind == "odd size" else 0
        np.testing.assert_allclose(places, [nose(plain, index) - shift for index in range(12)], atol=1)
        assert np.abs(frames - plain.frames[:12]).mean() < 4


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "50", "60"])
def test_frame_times_are_kept_at_every_rate(tmp_path, detector, rate):
    path = dummy_media(tmp_path / "v.mp4", frames_of(LEFT).filter("fps", rate), pix_fmt="yuv420p", **LOSSLESS)
    above, below = map(int, (rate + "/1").split("/")[:2])
    with prepared(path, tmp_path, detector) as clip:
        np.testing.assert_allclose(clip.pts, np.arange(clip.length) * below / above, atol=1e-6)
        assert len(clip.usable) == clip.length > 10
        assert clip.source.frame_rate == pytest.approx(above / below)


def test_variable_frame_times_and_a_late_start_are_kept(tmp_path, detector):
    late = frames_of(LEFT).filter("settb", "1/1000").filter("setpts", "N*40+N*N*5+400")
    voice = ffmpeg.input(str(shared_file(LEFT)))["a:0"]
    path = dummy_media(
        tmp_path / "v.mkv", late, voice, pix_fmt="yuv420p", fps_mode="passthrough", enc_time_base="1/1000", **LOSSLESS
    )
    with prepared(path, tmp_path, detector) as clip:
        steps = np.arange(12)
        # The audio encoder starts one block (23 ms) early.
        np.testing.assert_allclose(clip.pts - clip.pts[0], (40 * steps + 5 * steps**2) / 1000, atol=1e-6)
        assert clip.pts[0] == pytest.approx(0.4, abs=0.03)
        assert len(clip.usable) == 12
