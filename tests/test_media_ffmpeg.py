"""Finding ffmpeg, running it, and parsing its messages; exact frame rates."""

import stat
import sys
from fractions import Fraction

import ffmpeg
import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.errors import DataError
from dd_tools.media.ffmpeg import Process, ffmpeg_path
from dd_tools.media.rates import exact_rate


@pytest.fixture
def fresh_search():
    ffmpeg_path.cache_clear()
    yield
    ffmpeg_path.cache_clear()


@pytest.mark.parametrize(
    ("version", "configuration", "used"),
    [
        ("7.1.1-1+deb13u1", "--enable-gpl --enable-libx264", True),
        ("n7.0.2", "--enable-libx264", True),
        ("12.3", "--enable-libx264", True),
        ("N-118000-g1a2b3c", "--enable-libx264", True),  # a build from git
        ("6.1.1-3ubuntu5", "--enable-libx264", False),  # Matroska files begin late
        ("5.1.6-0+deb12u1", "--enable-libx264", False),
        ("7.1", "--enable-libopenh264", False),  # a build without GPL parts
    ],
)
def test_the_systems_ffmpeg_is_used_if_it_is_recent_and_has_libx264(
    tmp_path, monkeypatch, fresh_search, version, configuration, used
):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\necho ffmpeg version {version} Copyright\necho configuration: {configuration}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg_path() == (str(program) if used else imageio_ffmpeg.get_ffmpeg_exe())


def test_without_any_ffmpeg_there_is_one_clear_line(tmp_path, monkeypatch, fresh_search):
    def nothing():
        raise RuntimeError("no ffmpeg exe could be found")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", nothing)
    with pytest.raises(DataError, match=r"^cannot find ffmpeg: install version 7\.0 or newer with libx264$"):
        ffmpeg_path()


@pytest.mark.parametrize(
    ("printed", "rate"),
    [
        (23.98, Fraction(24000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (25, Fraction(25)),
        (24, Fraction(24)),
        (30, Fraction(30)),
        (12.5, Fraction(25, 2)),
        (22.13, Fraction(2213, 100)),
        (1000, Fraction(1000)),
        (0.5, Fraction(1, 2)),
    ],
)
def test_rounded_rates_become_exact(printed, rate):
    assert exact_rate(printed) == rate


@given(st.integers(2, 240), st.sampled_from([Fraction(1), Fraction(1000, 1001)]))
def test_whole_and_ntsc_rates_survive_floats_and_two_decimals(whole, factor):
    rate = whole * factor
    assert exact_rate(float(rate)) == rate
    if whole >= 12:  # below, two decimals are not enough
        assert exact_rate(round(float(rate), 2)) == rate


@pytest.mark.parametrize("lines", [50_000])
def test_many_messages_do_not_block(tmp_path, monkeypatch, lines):
    """Far more on standard error than a pipe holds, while the program reads its input."""
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!{sys.executable}\nimport sys\n"
                       f"for n in range({lines}): print('[x @ 0x1] [warning] line', n, file=sys.stderr)\n"
                       "assert len(sys.stdin.buffer.read()) == 600_000\n"
                       "print('[x @ 0x1] [y @ 0x2] [error] the cause.', file=sys.stderr)\n"
                       "print('[error] the consequence', file=sys.stderr)\nsys.exit(3)\n")  # fmt: skip
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("dd_tools.media.ffmpeg.ffmpeg_path", lambda: str(program))
    with Process(ffmpeg.output(ffmpeg.input("x"), "y"), stdin=True) as process:
        process.stdin.write(bytes(600_000))
        assert process.wait() == 3
    assert process.first_error == "the cause"
