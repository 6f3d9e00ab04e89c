"""The choice of an encoding: after the source, and within what the container takes."""

from dataclasses import replace
from pathlib import Path

import pytest
from media_files import smooth_frames, write_video

from dd_tools.errors import UsageError
from dd_tools.media.codecs import Encoding
from dd_tools.media.video import probe


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [
        (".mp4", "hevc", "yuv420p10le"),
        (".mkv", "vp9", "yuv444p"),
        (".webm", "av1", "yuv420p"),
        (".mov", "h264", "yuv422p"),
    ],
)
def test_codec_and_pixel_format_follow_the_source(program, tmp_path, suffix, codec, pixel_format):
    frames = smooth_frames(6)
    source = write_video(tmp_path / f"s{suffix}", frames, codec=codec, pixel_format=pixel_format)
    encoding = Encoding.for_target(tmp_path / f"v{suffix}", Encoding.from_source(probe(source)))
    assert (encoding.codec, encoding.pixel_format) == (codec, pixel_format)
    copy = probe(write_video(tmp_path / f"v{suffix}", frames, codec=encoding.codec, pixel_format=encoding.pixel_format))
    assert (copy.codec, copy.pixel_format) == (codec, pixel_format)


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("yuv420p", "yuv420p"), ("yuvj422p", "yuv422p"), ("nv12", "yuv420p"), ("gray", "yuv420p"), ("gbrp", "yuv444p"),
        ("p010le", "yuv420p10le"), ("yuv420p12le", "yuv420p10le"), ("yuva444p10le", "yuv444p10le"),
        ("gbrp10le", "yuv444p10le"), ("yuv422p10be", "yuv422p10le"), ("rgb48le", "yuv444p10le"),
    ],
)  # fmt: skip
def test_other_pixel_formats_become_the_closest_one(tmp_path, stored, written):
    info = probe(write_video(tmp_path / "v.mp4", smooth_frames(1)))
    assert Encoding.from_source(replace(info, pixel_format=stored)).pixel_format == written


def test_the_container_limits_the_codecs():
    vp9 = Encoding(codec="vp9", pixel_format="yuv444p10le")
    assert Encoding.for_target(Path("v.mp4"), vp9) == Encoding("h264", None, "yuv444p10le")
    assert Encoding.for_target(Path("v.webm"), Encoding()) == Encoding("vp9", None, "yuv420p")
    assert Encoding.for_target(Path("v.mkv"), vp9, codec="av1") == Encoding("av1", None, "yuv420p10le")
    assert Encoding.for_target(Path("v.mkv"), vp9, quality=7, lossless=True) == Encoding("vp9", 7, "yuv444p10le", True)
    for wrong in ({"codec": "divx"}, {"pixel_format": "rgb24"}, {"quality": 64}):
        with pytest.raises(UsageError, match=r"expected|unknown"):
            Encoding(**wrong)
