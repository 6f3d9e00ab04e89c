"""Joining: parts become one file with exact times, and the audio stays in sync and keeps its format."""

import subprocess
from itertools import islice
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_video, shared_file
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from media_files import TICK, smooth_frames, write_video, write_with_audio

from dd_tools.errors import DataError
from dd_tools.media.audio import read_audio, write_audio
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.joining import AudioTrack
from dd_tools.media.opening import open_media
from dd_tools.media.video import probe, read_frames


@settings(
    max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    start=st.sampled_from([0.0, 0.021333, 0.5]),
    gaps=st.lists(st.floats(0.002, 0.4), min_size=1, max_size=12),
    rate=st.sampled_from([25, 30000 / 1001, 22.13]),
    with_audio=st.booleans(),
)
def test_any_times_come_back(program, tmp_path, start, gaps, rate, with_audio):
    times = (start + np.cumsum([0, *gaps])).tolist()
    audio = write_audio(tmp_path / "a.wav", np.zeros(16000), 16000) or tmp_path / "a.wav"
    frames = smooth_frames(len(times), (32, 32))
    path = tmp_path / "v.mp4"
    _ = write_with_audio(path, frames, audio, times, rate) if with_audio else write_video(path, frames, times, rate)
    found = [frame.pts for frame in read_frames(path)]
    # ffmpeg counts from the start of the earliest stream, which with audio is 0.
    origin = 0 if with_audio else start
    assert found == pytest.approx([time - origin for time in times], abs=2.5 * TICK)


@pytest.mark.parametrize(
    ("sample_rate", "channels", "layout"), [(44100, 2, "stereo"), (48000, 2, "stereo"), (16000, 1, "mono")]
)
def test_audio_keeps_its_sample_rate_channels_and_content(program, tmp_path, sample_rate, channels, layout):
    time = np.arange(2 * sample_rate) / sample_rate
    samples = np.stack([0.4 * np.sin(2 * np.pi * (300 + 200 * n) * time**1.5) for n in range(channels)], axis=1)
    write_audio(tmp_path / "a.wav", samples, sample_rate)
    path = write_with_audio(tmp_path / "v.mp4", smooth_frames(50), tmp_path / "a.wav")
    with open_media(path) as container:
        context = container.streams.audio[0].codec_context
        assert (context.name, context.sample_rate, context.layout.name) == ("aac", sample_rate, layout)
    found, expected = read_audio(path, sample_rate)[: len(samples)], samples.mean(1)
    assert np.corrcoef(found, expected)[0, 1] > 0.995


def _aac_packets(path: Path) -> bytes:
    command = [ffmpeg_path(), "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "adts", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_aac_is_copied(program, tmp_path):
    source = dummy_video(tmp_path / "s.mp4", seconds=2)
    path = write_with_audio(tmp_path / "v.mp4", smooth_frames(25), source)
    copied = _aac_packets(path)
    assert len(copied) > 4000 and _aac_packets(source).startswith(copied)
    assert len(read_audio(path)) / 16000 == pytest.approx(1, abs=0.024)


@pytest.mark.parametrize(("available", "expected"), [(3, 2), (1, 2), (3, 1.2)])
def test_audio_has_the_given_duration(program, tmp_path, available, expected):
    write_audio(tmp_path / "a.wav", np.full(available * 8000, 0.3), 8000)
    path = write_with_audio(tmp_path / "v.mp4", smooth_frames(50), tmp_path / "a.wav", seconds=expected)
    samples = read_audio(path, 8000)
    # Some versions of ffmpeg keep the silence that fills the last AAC frame of 1024 samples.
    assert expected * 8000 - 2 <= len(samples) <= expected * 8000 + 1024
    loud = np.flatnonzero(np.abs(samples) > 0.15)
    assert loud[-1] / 8000 == pytest.approx(min(available, expected), abs=0.02)


def _click_and_flash(path: Path) -> tuple[float, float]:
    """Times of the first loud sample and of the first bright frame, in seconds."""
    samples = read_audio(path, 48000)
    flash = next(frame.pts for frame in read_frames(path) if frame.image.mean() > 128)
    return int(np.argmax(np.abs(samples) > 0.3)) / 48000, flash


@pytest.mark.parametrize(("rate", "start", "suffix"), [(30000 / 1001, 0.0, ".mkv"), (25, 0.4, ".mp4")])
def test_a_click_and_a_flash_stay_together(program, tmp_path, rate, start, suffix):
    marker = 250
    times = [start + n / rate for n in range(marker + 30)]
    frames = np.zeros((len(times), 16, 16, 3), np.uint8)
    frames[marker:] = 255
    samples = np.zeros((round(times[-1] * 48000), 2), np.float32)
    samples[round(times[marker] * 48000) :][:480] = 0.9
    write_audio(tmp_path / "a.wav", samples, 48000)
    written = write_with_audio(tmp_path / f"v{suffix}", frames, tmp_path / "a.wav", times, rate)
    # A copy of the copy: the audio is copied if the container allows it.
    again = list(read_frames(written))
    images = np.stack([frame.image for frame in again])
    copy = write_with_audio(tmp_path / "w.mp4", images, written, [frame.pts for frame in again], rate)
    for path in (written, copy):
        click, flash = _click_and_flash(path)
        assert abs(click - flash) < 0.004


@pytest.mark.parametrize("rate", [30000 / 1001, 24000 / 1001, 60])
def test_parts_join_to_the_whole(program, tmp_path, rate):
    frames = np.random.default_rng(0).integers(0, 256, (50, 32, 48, 3), np.uint8)
    write_audio(tmp_path / "a.wav", np.full(48000, 0.3), 16000)
    options = {"rate": rate, "lossless": True}
    path = write_with_audio(tmp_path / "v.mp4", frames, tmp_path / "a.wav", cuts=(7, 8, 31), **options)
    found = list(read_frames(path))
    assert np.array_equal([frame.image for frame in found], frames)
    assert [frame.pts for frame in found] == pytest.approx([n / rate for n in range(50)], abs=TICK)


def test_parts_with_uneven_times_join_to_the_whole(tmp_path):
    times = np.cumsum([0.3, *np.random.default_rng(0).uniform(0.004, 0.2, 39)]).tolist()
    write_audio(tmp_path / "a.wav", np.full(160000, 0.3), 16000)
    path = write_with_audio(tmp_path / "v.mp4", smooth_frames(40), tmp_path / "a.wav", times, cuts=(3, 20, 21))
    assert [frame.pts for frame in read_frames(path)] == pytest.approx(times, abs=2.5 * TICK)


def test_a_file_without_audio_is_refused(tmp_path):
    silent = dummy_video(tmp_path / "silent.mp4", audio=False)
    for path, reason in [(tmp_path / "none.wav", "no such file"), (silent, "no audio track")]:
        with pytest.raises(DataError, match=reason):
            AudioTrack(path)


def _television(path: Path) -> Path:
    """MPEG-TS whose sound begins 0.53 s before its picture, both with a marker at 1 s."""
    card = ffmpeg.input("color=black:size=64x48:rate=25:duration=1.5", format="lavfi", itsoffset=0.53)
    card = card.filter("geq", lum="if(gte(T,1),235,16)", cb=128, cr=128)
    beep = ffmpeg.input("aevalsrc='0.8*gte(t,1)*sin(2000*t)':duration=2:sample_rate=48000", format="lavfi")
    return dummy_media(path, card, beep, pix_fmt="yuv420p", acodec="mp2", bf=0, mpegts_copyts=1)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_streams_that_begin_at_different_times_stay_in_sync(program, tmp_path, suffix):
    source = _television(tmp_path / "tv.ts")
    if suffix != ".ts":
        source = dummy_media(tmp_path / f"tv{suffix}", ffmpeg.input(str(source)), c="copy")
    frames = list(read_frames(source))
    click, flash = _click_and_flash(source)
    assert frames[0].pts > 0.5 and abs(click - flash) < 0.041  # the flash is on the grid of the frames
    images, times = np.stack([frame.image for frame in frames]), [frame.pts for frame in frames]
    for target in (".mp4", ".mkv"):
        path = write_with_audio(tmp_path / f"out{target}", images, source, times)
        again = _click_and_flash(path)
        assert again == pytest.approx((click, flash), abs=0.001)


@pytest.mark.parametrize("codec", ["aac", "aac_latm"])
def test_aac_in_any_wrapping_goes_into_mp4(program, tmp_path, codec):
    tone = ffmpeg.input("sine=frequency=440:duration=1:sample_rate=48000", format="lavfi")
    options = {"mpegts_flags": "latm"} if codec == "aac_latm" else {}
    path = dummy_media(tmp_path / "a.ts", tone, acodec="aac", **options)
    with open_media(path) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name in ("aac", "aac_latm")
    output = write_with_audio(tmp_path / "v.mp4", smooth_frames(25), path)
    assert np.abs(read_audio(output)).max() > 0.05


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4"])
@pytest.mark.parametrize("sample_rate", [16000, 48000])
def test_sound_and_picture_begin_at_0(program, tmp_path, suffix, sample_rate):
    write_audio(tmp_path / "a.wav", np.full(sample_rate, 0.3), sample_rate)
    codec = "vp9" if suffix == ".webm" else "h264"
    path = write_with_audio(tmp_path / f"v{suffix}", smooth_frames(25), tmp_path / "a.wav", codec=codec)
    assert next(read_frames(path)).pts == 0
    assert np.flatnonzero(np.abs(read_audio(path, sample_rate)) > 0.15)[0] / sample_rate < 0.002
    with open_media(path) as container:
        first = next(packet for packet in container.demux(video=0))
        assert first.pts == 0


@pytest.mark.clips
@pytest.mark.parametrize("name", ["odd_22fps.mp4", "square_590.mp4"])
def test_real_clips_are_copied(tmp_path, name):
    source = shared_file(f"data/real/{name}")
    info, frames = probe(source), list(islice(read_frames(source), 12))
    images, times = np.stack([frame.image for frame in frames]), [frame.pts for frame in frames]
    path = write_with_audio(tmp_path / "v.mp4", images, source, times, info.frame_rate, colour=info.colour)
    found = list(read_frames(path))
    assert [frame.pts for frame in found] == pytest.approx(times, abs=2.5 * TICK)
    differences = np.stack([frame.image for frame in found]).astype(int) - images
    assert np.abs(differences).mean() < 1.5 and np.abs(differences.mean((0, 1, 2))).max() < 0.25
