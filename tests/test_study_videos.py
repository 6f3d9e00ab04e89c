"""Videos of studies: what is copied, encoded, cut and shifted, and the texts of traps."""

from dataclasses import replace

import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_video

from dd_tools.errors import DataError
from dd_tools.evaluation.study.traps import draw_text, store_trap
from dd_tools.evaluation.study.videos import SHIFT, inspect, store, store_anchor
from dd_tools.media.audio import read_audio
from dd_tools.media.video import probe, read_frames


def test_h264_is_copied_and_its_audio_is_not(tmp_path):
    source = inspect(dummy_video(tmp_path / "source.mp4", 1.0))
    assert source.is_copied
    assert store(source, tmp_path / "copy.mp4") == pytest.approx(1)
    for one, other in zip(read_frames(tmp_path / "source.mp4"), read_frames(tmp_path / "copy.mp4"), strict=True):
        assert one.pts == other.pts and (one.image == other.image).all()
    one, other = (read_audio(tmp_path / name, 16000) for name in ("source.mp4", "copy.mp4"))
    assert np.abs(one[1000:15000] - other[1000:15000]).max() < 0.02  # as loud, and at the same time


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"c:v": "libx264", "pix_fmt": "yuv444p"}),
        ("a.mp4", {"c:v": "libx264", "pix_fmt": "yuv420p10le"}),
        ("a.mkv", {"c:v": "ffv1", "pix_fmt": "bgr0", "c:a": "flac"}),
        ("a.avi", {"c:v": "mpeg4", "pix_fmt": "yuv420p", "c:a": "mp3"}),
        ("a.webm", {"c:v": "libvpx-vp9", "pix_fmt": "yuv420p", "c:a": "libopus"}),
    ],
)
def test_other_encodings_become_h264(tmp_path, name, options):
    picture = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=0.4", format="lavfi")
    if "yuv420p" not in options["pix_fmt"]:  # which an odd size needs
        picture = picture.filter("format", "rgb24").filter("crop", 63, 47)
    tone = ffmpeg.input("sine=frequency=440:duration=0.4", format="lavfi")
    source = inspect(dummy_media(tmp_path / name, picture, tone, **options))
    assert not source.is_copied
    store(source, tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert (info.codec, info.pixel_format, info.has_audio) == ("h264", "yuv420p", True)
    assert (info.width, info.height) == (64, 48)
    frames = zip(read_frames(tmp_path / name), read_frames(tmp_path / "out.mp4"), strict=True)
    for one, other in frames:
        height, width, _ = one.image.shape
        assert np.abs(one.image.astype(float) - other.image[:height, :width]).mean() < 9
        assert one.pts == pytest.approx(other.pts, abs=0.002)


def test_frames_keep_their_times_when_they_are_encoded_again(tmp_path):
    picture = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=1", format="lavfi")
    uneven = picture.filter("settb", "1/1000").filter("setpts", "PTS+13*mod(N,2)")
    tone = ffmpeg.input("sine=duration=1", format="lavfi")
    path = dummy_media(
        tmp_path / "a.mkv", uneven, tone, **{"c:v": "ffv1", "fps_mode": "passthrough", "enc_time_base": "1/1000"}
    )
    store(inspect(path), tmp_path / "out.mp4")
    one, other = ([frame.pts for frame in read_frames(file)] for file in (path, tmp_path / "out.mp4"))
    assert len(set(np.diff(one).round(3))) > 1
    assert one == pytest.approx(other, abs=0.002)


@pytest.mark.parametrize("write", [store, store_anchor])
def test_a_live_recording_has_its_duration_although_its_header_has_none(tmp_path, write):
    picture = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=1", format="lavfi")
    tone = ffmpeg.input("sine=duration=1.5", format="lavfi")
    path = dummy_media(tmp_path / "a.webm", picture, tone, pix_fmt="yuv420p", live=1, **{"c:v": "libvpx-vp9"})
    assert probe(path).duration is None
    source = inspect(path)
    assert source.seconds == pytest.approx(1, abs=0.005)
    assert write(source, tmp_path / "out.mp4") == pytest.approx(1, abs=0.005)
    assert len(list(read_frames(tmp_path / "out.mp4"))) == 25
    assert len(read_audio(tmp_path / "out.mp4", 16000)) == pytest.approx(16000, abs=300)


def test_a_video_shorter_than_the_shift_has_a_silent_anchor(tmp_path):
    source = inspect(dummy_video(tmp_path / "source.mp4", 0.2))
    assert store_anchor(source, tmp_path / "anchor.mp4") == pytest.approx(0.2)
    assert np.abs(read_audio(tmp_path / "anchor.mp4")).max() < 0.01


def test_audio_without_anything_to_decode_is_a_fault(tmp_path):
    picture = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=0.4", format="lavfi")
    dummy_media(tmp_path / "a.mkv", picture, ffmpeg.input("sine=duration=0.4", format="lavfi"), pix_fmt="yuv420p")
    source = inspect(tmp_path / "a.mkv")
    with pytest.raises(DataError, match=r"cannot write '.*out.mp4'"):
        store(replace(source, audio_index=7), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_the_anchor_hears_what_it_sees_six_frames_later(tmp_path):
    """A beep that begins with a second's start begins `SHIFT` frames before it."""
    tone = ffmpeg.input("aevalsrc='if(gte(t,1),sin(2764*t),0)':duration=2:sample_rate=48000", format="lavfi")
    picture = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=2", format="lavfi")
    source = inspect(dummy_media(tmp_path / "source.mp4", picture, tone, pix_fmt="yuv420p"))
    store_anchor(source, tmp_path / "anchor.mp4")
    sound = read_audio(tmp_path / "anchor.mp4", 16000)
    assert np.argmax(np.abs(sound) > 0.1) / 16000 == pytest.approx(1 - SHIFT / 25, abs=0.01)
    assert np.abs(sound[int((2 - SHIFT / 25 + 0.03) * 16000) :]).max() < 0.01
    assert len(sound) / 16000 == pytest.approx(2, abs=0.05)
    assert len(list(read_frames(tmp_path / "anchor.mp4"))) == 50


@pytest.mark.parametrize("size", [(64, 48), (1280, 720), (96, 480)])
def test_the_text_of_a_trap_fits_into_its_frame(size):
    image = draw_text("Attention check\nPlease rate 5, Excellent", size)
    rows, columns = np.nonzero((image != image[0, 0]).any(-1))
    assert image.shape == (size[1], size[0], 3)
    assert rows.min() > 0.02 * size[1] and rows.max() < 0.98 * size[1]
    assert 0.02 * size[0] < columns.min() and columns.max() < 0.98 * size[0]
    assert columns.max() - columns.min() > 0.7 * size[0] or rows.max() - rows.min() > 0.6 * size[1]


def test_a_trap_shows_its_text_for_three_seconds_in_silence(tmp_path):
    text = "Please rate 4, Good"
    assert store_trap(text, (95, 47), tmp_path / "trap.mp4") == pytest.approx(3)
    frames = list(read_frames(tmp_path / "trap.mp4"))
    assert [frame.pts for frame in frames] == pytest.approx([number / 10 for number in range(30)])
    for frame in frames:
        assert np.abs(frame.image[:47, :95].astype(float) - draw_text(text, (95, 47))).mean() < 3
    assert np.abs(read_audio(tmp_path / "trap.mp4")).max() == 0
