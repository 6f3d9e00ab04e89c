"""A box has the same pixels as that part of the whole frame."""

import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_turned, dummy_video
from PIL import Image

from dd_tools.media.video import Box, probe, read_frames

BOXES = [(0, 0, 90, 70), (37, 21, 38, 22), (5, 3, 62, 41), (50, 33, 90, 70), (0, 31, 17, 70)]


@pytest.mark.parametrize(("pixels", "filters"), [
    ("yuv420p", "null"), ("yuv420p10le", "null"), ("yuv422p", "null"), ("yuvj420p", "null"), ("gray", "null"),
    ("yuv444p", "crop=89:69:0:0:exact=1"), ("yuv420p", "setsar=16/15"), ("rgb24", "null"),
])  # fmt: skip
def test_a_box_has_the_same_pixels_as_the_whole_frame(tmp_path, pixels, filters):
    pattern = ffmpeg.input("testsrc2=size=90x70:rate=25:duration=0.08", format="lavfi")
    path = dummy_media(tmp_path / "v.mkv", pattern, vf=filters, pix_fmt=pixels, **{"c:v": "ffv1"})
    info = probe(path)
    assert info.square_pixels == ("setsar" not in filters)
    whole = list(read_frames(info))
    for left, top, right, bottom in BOXES:
        box = Box(left, top, min(right, info.width), min(bottom, info.height))
        part = list(read_frames(info, box=box))
        assert [frame.pts for frame in part] == [frame.pts for frame in whole]
        for one, other in zip(part, whole, strict=True):
            np.testing.assert_array_equal(one.image, other.image[top:bottom, left:right])


def test_a_box_of_a_rotated_video_and_of_an_image(tmp_path):
    path = dummy_turned(dummy_video(tmp_path / "v.mp4", seconds=0.2, size=(90, 70), audio=False), 90)
    Image.fromarray(np.arange(70 * 90 * 3, dtype=np.uint8).reshape(90, 70, 3)).save(tmp_path / "image.png")
    for file in (path, tmp_path / "image.png"):
        (whole, *_), (part, *_) = read_frames(file), read_frames(file, box=Box(11, 40, 60, 90))
        np.testing.assert_array_equal(part.image, whole.image[40:90, 11:60])
