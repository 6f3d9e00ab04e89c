"""Reading and writing audio: sample rates, channels, start times, blocks, and errors."""

import ffmpeg
import numpy as np
import pytest
import soundfile
from factories import dummy_media, dummy_video, shared_file
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from media_files import open_files

from dd_tools.errors import DataError
from dd_tools.media.audio import has_audio, read_audio, read_audio_blocks, write_audio


def noise(count: int, channels: int = 1) -> np.ndarray:
    """16-bit values as floats, so that a WAV file keeps them exactly."""
    return np.random.default_rng(count).integers(-32768, 32768, (count, channels)).astype(np.float32) / 32768


def test_mono_at_the_same_rate_is_exact(program, tmp_path):
    samples = noise(16000)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    found = read_audio(tmp_path / "a.wav")
    assert found.dtype == np.float32 and np.array_equal(found, samples[:, 0])
    found[0] = 0  # the array is writable


def test_channels_are_averaged(program, tmp_path):
    samples = noise(4000, channels=2)
    soundfile.write(tmp_path / "a.flac", samples, 16000)
    assert read_audio(tmp_path / "a.flac") == pytest.approx(samples.mean(1), abs=1e-6)


@pytest.mark.parametrize(
    ("suffix", "sample_rate"), [(".wav", 44100), (".mp3", 44100), (".ogg", 48000), (".m4a", 48000)]
)
def test_resampling_keeps_time_and_range(program, tmp_path, suffix, sample_rate):
    """A loud chirp after a codec and a resampler: same duration, no delay, no values outside [−1, 1]."""
    time = np.arange(2 * sample_rate) / sample_rate
    soundfile.write(tmp_path / "s.wav", np.sin(2 * np.pi * (200 + 300 * time) * time), sample_rate)
    path = dummy_media(tmp_path / f"a{suffix}", ffmpeg.input(str(tmp_path / "s.wav")))
    found = read_audio(path)
    assert np.abs(found).max() <= 1 and len(found) == pytest.approx(32000, abs=0.06 * 16000)
    time = np.arange(len(found))[400:31000] / 16000
    expected = np.sin(2 * np.pi * (200 + 300 * time) * time)
    assert np.abs(found[400:31000] - expected).mean() < 0.05


def test_audio_that_starts_late_is_preceded_by_silence(program, tmp_path):
    pattern = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=1", format="lavfi")
    tone = ffmpeg.input("sine=frequency=440:duration=0.5", format="lavfi", itsoffset=0.4)
    samples = read_audio(dummy_media(tmp_path / "v.mov", pattern, tone, pix_fmt="yuv420p", **{"c:a": "pcm_s16le"}))
    assert np.flatnonzero(np.abs(samples) > 0.01)[0] / 16000 == pytest.approx(0.4, abs=0.002)
    assert len(samples) / 16000 == pytest.approx(0.9, abs=0.001)


@settings(
    max_examples=5, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(length=st.integers(1, 5000), block=st.integers(1, 4000))
def test_blocks_concatenate_to_the_whole(tmp_path, length, block):
    samples = noise(length)[:, 0]
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    blocks = list(read_audio_blocks(tmp_path / "a.wav", block=block))
    assert [len(part) for part in blocks[:-1]] == [block] * (len(blocks) - 1) and 1 <= len(blocks[-1]) <= block
    assert np.array_equal(np.concatenate(blocks), samples)


def test_stopping_early_closes_the_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000 * 60), 16000)
    blocks = read_audio_blocks(tmp_path / "a.wav", block=100)
    next(blocks)
    assert tmp_path / "a.wav" in open_files()
    blocks.close()
    assert tmp_path / "a.wav" not in open_files()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.wav", "no such file"),
        ("folder", "it is a folder"),
        ("text.wav", "not a video or audio file"),
        ("zero.wav", "empty file"),
        ("nothing.wav", "its audio track has no samples"),
        ("silent.mp4", "no audio track"),
        ("image.png", "no audio track"),
    ],
)
def test_a_file_without_audio_gets_one_clear_line(program, tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.wav").write_text("no audio\n" * 50)
    (tmp_path / "zero.wav").touch()
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 16000)
    dummy_video(tmp_path / "silent.mp4", seconds=0.1, audio=False)
    dummy_media(tmp_path / "image.png", ffmpeg.input("testsrc2=duration=0.1", format="lavfi"), **{"frames:v": 1})
    with pytest.raises(DataError) as caught:
        read_audio(tmp_path / name)
    assert str(caught.value).startswith(f"cannot read '{tmp_path / name}': {reason}")
    assert "\n" not in str(caught.value)


def test_a_truncated_flac_gives_what_is_there_and_says_what_is_missing(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000 * 20)
    soundfile.write(tmp_path / "whole.flac", noise, 16000)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 3])
    for name, seconds, reports_expected in (("whole.flac", 20, 0), ("cut.flac", 6.67, 1)):
        reports = []
        samples = np.concatenate(list(read_audio_blocks(tmp_path / name, on_damage=reports.append)))
        assert len(samples) / 16000 == pytest.approx(seconds, abs=0.3) and len(reports) == reports_expected
        assert samples[:16000] == pytest.approx(noise[:16000], abs=1e-4)
    assert f"'{tmp_path / 'cut.flac'}' is damaged: it ends after 6." in reports[0]
    assert "of 20.00 s" in reports[0] and "\n" not in reports[0]


@pytest.mark.parametrize("suffix", ["aac", "mp3", "ogg", "m4a", "wav", "mka", "ts", "ac3"])
def test_a_whole_file_is_not_called_damaged(tmp_path, suffix):
    tone = ffmpeg.input("aevalsrc='sin(t*t*900)':duration=7.3:sample_rate=44100", format="lavfi")
    reports = []
    list(read_audio_blocks(dummy_media(tmp_path / f"a.{suffix}", tone), on_damage=reports.append))
    assert reports == []


def test_has_audio(tmp_path):
    assert has_audio(dummy_video(tmp_path / "v.mp4", seconds=0.1))
    assert not has_audio(dummy_video(tmp_path / "w.mp4", seconds=0.1, audio=False))
    with pytest.raises(DataError, match="no such file"):
        has_audio(tmp_path / "none.mp4")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_written_samples_are_read(tmp_path, suffix):
    samples = noise(3000, channels=2)
    write_audio(tmp_path / f"a{suffix}", samples, 22050)
    found, sample_rate = soundfile.read(tmp_path / f"a{suffix}", dtype="float32")
    assert sample_rate == 22050 and np.array_equal(found, samples)


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"unknown suffix; use \.wav, \.flac or \.ogg"):
        write_audio(tmp_path / "a.xyz", np.zeros(10), 16000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.clips
@pytest.mark.parametrize("name", ["german.wav", "english_44k_stereo.wav", "english_jfk.flac", "english_16k.wav"])
def test_real_speech_keeps_its_duration(name):
    path = shared_file(f"data/speech/{name}")
    samples = read_audio(path)
    assert len(samples) / 16000 == pytest.approx(soundfile.info(path).duration, abs=0.001)
    assert 0.05 < np.abs(samples).max() <= 1
