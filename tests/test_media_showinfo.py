"""Messages of ffmpeg's filter showinfo: the first frame, and the times of all frames."""

from fractions import Fraction

import pytest

from dd_tools.media.showinfo import FirstFrame, FrameTimes, parse_first_frame

STREAM = "config in time_base: 1/25, frame_rate: 25/1"


def frame_line(pts: object, sample_aspect: str = "1/1") -> str:
    return (
        f"n:   0 pts:      {pts} pts_time:0       duration:      1 fmt:yuv420p cl:left sar:{sample_aspect} s:90x70 i:P "
    )


COLOUR = "color_range:tv color_space:bt709 color_primaries:unknown color_trc:unknown"
TAGS = {"range": "tv", "space": "bt709", "primaries": "unknown", "transfer": "unknown"}


@pytest.mark.parametrize(("sample_aspect", "value"), [("16/15", Fraction(16, 15)), ("0/1", Fraction(1))])
def test_the_first_frame_is_parsed(sample_aspect, value):
    lines = ["Input #0, mov", STREAM, frame_line(0, sample_aspect), COLOUR, frame_line(1), "color_range:pc"]
    assert parse_first_frame(lines) == FirstFrame(90, 70, value, "yuv420p", TAGS, Fraction(25))


def test_without_frames_there_is_no_first_frame():
    assert parse_first_frame(["Input #0, mov", STREAM]) is None


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        ([0, 1, 2], [0, 0.04, 0.08]),
        ([5, 9], [0.2, 0.36]),
        (["NOPTS", "NOPTS", 7], [0, 0.04, 0.28]),
        ([3, 3, 2, 10], [0.12, 0.16, 0.2, 0.4]),
        ([], []),
    ],
)
def test_frame_times_strictly_increase(pts, expected):
    times = FrameTimes(spacing=Fraction(1, 25))
    for line in [STREAM, *(line for value in pts for line in (frame_line(value), COLOUR)), None]:
        times.add_line(line)
    assert list(times) == pytest.approx(expected)
