import itertools
import re
import resource
import signal
import subprocess
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_video, shared_file
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dd_tools.errors import DataError, UsageError
from dd_tools.media.audio import read_audio, write_audio
from dd_tools.media.codecs import Encoding
from dd_tools.media.colour import Colour
from dd_tools.media.encode import VideoWriter
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.header import read_header
from dd_tools.media.joining import Sound, join
from dd_tools.media.marking import XMP, add_xmp, tags
from dd_tools.media.pictures import read_picture, write_pictures
from dd_tools.media.rates import exact_rate
from dd_tools.media.video import probe, read_frames

PROGRAMS = sorted({ffmpeg_path(), imageio_ffmpeg.get_ffmpeg_exe()})
CLOCK_ERROR = 1 / 90_000


@pytest.fixture(params=PROGRAMS, ids=lambda program: Path(program).name)
def program(request, monkeypatch):
    """Run the test with the system's ffmpeg and with the one imageio-ffmpeg carries."""
    monkeypatch.setattr("dd_tools.media.ffmpeg.ffmpeg_path", lambda: request.param)


def smooth_pictures(count: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Soft moving colours (T, H, W, 3), as video has them: little detail finer than chroma's grid."""
    x, y = np.meshgrid(np.arange(size[0]) / 15, np.arange(size[1]) / 12)
    waves = [np.sin(x + k + t / 5) * np.cos(y + 2 * k - t / 7) for t in range(count) for k in range(3)]
    return (128 + 110 * np.array(waves)).astype(np.uint8).reshape(count, 3, *x.shape).transpose(0, 2, 3, 1)


def write(path: Path, pictures: np.ndarray, times: list[float] | None = None, rate: float = 25, **choice) -> Path:
    """Pictures alone."""
    times = [n / rate for n in range(len(pictures))] if times is None else times
    with VideoWriter(path, pictures.shape[2], pictures.shape[1], rate, Encoding(**choice)) as writer:
        for image, pts in zip(pictures, times, strict=True):
            writer.write(image, pts)
    return path


def write_with_sound(
    path: Path,
    pictures: np.ndarray,
    audio: Path | None,
    times: list[float] | None = None,
    rate: float = 25,
    *,
    seconds: float | None = None,
    cuts: tuple[int, ...] = (),
    tags: dict[str, str] | None = None,
    **choice,
) -> Path:
    """Pictures, encoded in parts that begin at `cuts`, joined with sound."""
    times = [n / rate for n in range(len(pictures))] if times is None else times
    parts = []
    for start, stop in itertools.pairwise([0, *cuts, len(pictures)]):
        part = path.with_name(f"{path.stem}-{start}.mp4")
        relative = [pts - times[start] for pts in times[start:stop]]
        parts.append((write(part, pictures[start:stop], relative, rate, **choice), times[start]))
    sound = Sound(audio) if audio else None
    join(parts, path, exact_rate(rate), sound=sound, seconds=seconds or times[-1] + 1 / rate, tags=tags)
    return path


@settings(
    max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    start=st.sampled_from([0.0, 0.021333, 0.5]),
    gaps=st.lists(st.floats(0.002, 0.4), min_size=1, max_size=12),
    rate=st.sampled_from([25, 30000 / 1001, 22.13]),
    sound=st.booleans(),
)
def test_any_times_come_back(program, tmp_path, start, gaps, rate, sound):
    times = (start + np.cumsum([0, *gaps])).tolist()
    audio = write_audio(tmp_path / "a.wav", np.zeros(16000), 16000) or tmp_path / "a.wav"
    pictures = smooth_pictures(len(times), (32, 32))
    path = tmp_path / "v.mp4"
    _ = write_with_sound(path, pictures, audio, times, rate) if sound else write(path, pictures, times, rate)
    found = [frame.pts for frame in read_frames(path)]
    # ffmpeg counts from the first stream's start; with sound that is time 0.
    origin = 0 if sound else start
    assert found == pytest.approx([time - origin for time in times], abs=2.5 * CLOCK_ERROR)


@pytest.mark.parametrize(
    ("rate", "suffix"), [("24000/1001", ".mp4"), ("30000/1001", ".mov"), ("25", ".m4v"), ("60", ".mp4")]
)
def test_constant_rates_come_out_exact(program, tmp_path, rate, suffix):
    exact = Fraction(rate)
    path = write(tmp_path / f"v{suffix}", smooth_pictures(40), rate=float(exact))
    assert probe(path).frame_rate == float(exact)
    assert [frame.pts for frame in read_frames(path)] == [float(n / exact) for n in range(40)]


def test_matroska_keeps_milliseconds(tmp_path):
    path = write(tmp_path / "v.mkv", smooth_pictures(30), rate=30000 / 1001)
    assert [frame.pts for frame in read_frames(path)] == pytest.approx(
        [n * 1001 / 30000 for n in range(30)], abs=0.0006
    )


TAGS = [
    ("bt709", "pc", "bt709"),
    ("bt601", "tv", "smpte170m"),
    ("bt2020", "tv", "bt2020nc"),
]


@pytest.mark.parametrize(("matrix", "range_", "space"), TAGS)
def test_colours_survive_writing_and_tags_are_kept(program, tmp_path, matrix, range_, space):
    colour = Colour(matrix, range_ == "pc", space, range_, "bt709", "bt709")
    pictures = smooth_pictures(4)
    path = write(tmp_path / "v.mp4", pictures, colour=colour, quality=1)
    assert probe(path).colour == colour
    found = np.stack([frame.image for frame in read_frames(path)])
    difference = found.astype(int) - pictures
    # The newest ffmpegs round full-range chroma down, which costs half a level.
    mean, bias = (0.8, 0.2) if range_ == "tv" else (1.0, 1.0)
    assert np.abs(difference).mean() < mean
    assert np.abs(difference.mean((0, 1, 2))).max() < bias


@pytest.mark.parametrize(
    ("space", "size"), [("bt709", (96, 64)), ("smpte170m", (1280, 64)), (None, (96, 64)), (None, (1280, 64))]
)
def test_a_copy_has_its_sources_stored_values(tmp_path, space, size):
    """Decoding to RGB and encoding again must not move luma or chroma, tagged or not: planes compared, not our RGB."""
    card = ffmpeg.input(f"gradients=size={size[0]}x{size[1]}:rate=25:duration=0.12:seed=5", format="lavfi")
    tags = {"colorspace": space, "color_range": "tv"} if space else {}
    source = dummy_media(tmp_path / "s.mp4", card, pix_fmt="yuv420p", crf=1, vf="eq=saturation=0.4", **tags)
    colour = probe(source).colour
    frames = list(read_frames(source))
    copy = write(tmp_path / "c.mp4", np.stack([frame.image for frame in frames]), colour=colour, quality=1)
    planes = [_planes(path, size, len(frames)) for path in (source, copy)]
    assert probe(copy).colour == colour
    for before, after in zip(*planes, strict=True):
        assert np.abs(after.mean() - before.mean()) < 0.3
        assert np.abs(after - before).mean() < 0.8


def _planes(path: Path, size: tuple[int, int], count: int) -> list[np.ndarray]:
    command = [ffmpeg_path(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    data = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    area = size[0] * size[1]
    return np.split(data.reshape(count, -1).astype(float), [area, area * 5 // 4], axis=1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_lossless_is_exact_even_for_noise_and_odd_sizes(program, tmp_path, suffix):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 47, 63, 3), np.uint8)
    path = write(tmp_path / f"v{suffix}", pictures, lossless=True)
    assert np.array_equal([frame.image for frame in read_frames(path)], pictures)


def test_odd_sizes_repeat_their_last_row_and_column(tmp_path):
    pictures = smooth_pictures(2, (63, 47))
    path = write(tmp_path / "v.mp4", pictures, quality=1)
    found = np.stack([frame.image for frame in read_frames(path)])
    assert found.shape == (2, 48, 64, 3)
    assert np.abs(found[:, :47, :63].astype(int) - pictures).mean() < 1
    assert np.abs(found[:, 47, :63].astype(int) - pictures[:, 46]).mean() < 2


@pytest.mark.parametrize(
    ("sample_rate", "channels", "layout"), [(44100, 2, "stereo"), (48000, 2, "stereo"), (16000, 1, "mono")]
)
def test_sound_keeps_its_sample_rate_channels_and_content(program, tmp_path, sample_rate, channels, layout):
    time = np.arange(2 * sample_rate) / sample_rate
    sound = np.stack([0.4 * np.sin(2 * np.pi * (300 + 200 * n) * time**1.5) for n in range(channels)], axis=1)
    write_audio(tmp_path / "a.wav", sound, sample_rate)
    path = write_with_sound(tmp_path / "v.mp4", smooth_pictures(50), tmp_path / "a.wav")
    assert read_header(path).audio.startswith(f"aac (LC) (mp4a / 0x6134706D), {sample_rate} Hz, {layout},")
    found, expected = read_audio(path, sample_rate)[: len(sound)], sound.mean(1)
    assert np.corrcoef(found, expected)[0, 1] > 0.995


def _aac_packets(path: Path) -> bytes:
    command = [ffmpeg_path(), "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "adts", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_aac_is_copied(program, tmp_path):
    source = dummy_video(tmp_path / "s.mp4", seconds=2)
    path = write_with_sound(tmp_path / "v.mp4", smooth_pictures(25), source)
    copied = _aac_packets(path)
    assert len(copied) > 4000 and _aac_packets(source).startswith(copied)
    assert len(read_audio(path)) / 16000 == pytest.approx(1, abs=0.024)


@pytest.mark.parametrize(("sound", "expected"), [(3, 2), (1, 2), (3, 1.2)])
def test_sound_has_the_asked_length(program, tmp_path, sound, expected):
    write_audio(tmp_path / "a.wav", np.full(sound * 8000, 0.3), 8000)
    path = write_with_sound(tmp_path / "v.mp4", smooth_pictures(50), tmp_path / "a.wav", seconds=expected)
    samples = read_audio(path, 8000)
    # Some ffmpegs leave the silence that fills up the last AAC block of 1024 samples.
    assert expected * 8000 - 2 <= len(samples) <= expected * 8000 + 1024
    heard = np.flatnonzero(np.abs(samples) > 0.15)
    assert heard[-1] / 8000 == pytest.approx(min(sound, expected), abs=0.02)


def _click_and_flash(path: Path) -> tuple[float, float]:
    """When the first loud sample sounds and when the first bright frame shows."""
    samples = read_audio(path, 48000)
    flash = next(frame.pts for frame in read_frames(path) if frame.image.mean() > 128)
    return int(np.argmax(np.abs(samples) > 0.3)) / 48000, flash


@pytest.mark.parametrize(("rate", "start", "suffix"), [(30000 / 1001, 0.0, ".mkv"), (25, 0.4, ".mp4")])
def test_a_click_and_a_flash_stay_together(program, tmp_path, rate, start, suffix):
    marker = 250
    times = [start + n / rate for n in range(marker + 30)]
    pictures = np.zeros((len(times), 16, 16, 3), np.uint8)
    pictures[marker:] = 255
    sound = np.zeros((round(times[-1] * 48000), 2), np.float32)
    sound[round(times[marker] * 48000) :][:480] = 0.9
    write_audio(tmp_path / "a.wav", sound, 48000)
    written = write_with_sound(tmp_path / f"v{suffix}", pictures, tmp_path / "a.wav", times, rate)
    # A second generation has the first one's sound, copied where the container allows it.
    again = list(read_frames(written))
    images = np.stack([frame.image for frame in again])
    copy = write_with_sound(tmp_path / "w.mp4", images, written, [frame.pts for frame in again], rate)
    for path in (written, copy):
        click, flash = _click_and_flash(path)
        assert abs(click - flash) < 0.004


def test_a_failure_leaves_the_old_file_and_no_process(tmp_path, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    target = tmp_path / "v.mp4"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), VideoWriter(target, 96, 64, 25) as writer:
        writer.write(smooth_pictures(1)[0], 0)
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"] and target.read_text() == "old"
    assert [process.returncode is None for process in started] == [False]


def test_a_full_disk_is_one_clear_line(program, tmp_path, monkeypatch):
    def popen_with_limit(*arguments, **options):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        return popen(*arguments, **options, preexec_fn=limit, restore_signals=False)

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen_with_limit)
    noise = np.random.default_rng(0).integers(0, 256, (60, 128, 128, 3), np.uint8)
    with pytest.raises(DataError) as caught:
        write(tmp_path / "v.mp4", noise)
    assert str(caught.value).startswith(f"cannot write '{tmp_path / 'v.mp4'}': ffmpeg: ")
    assert "File too large" in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_wrong_targets_and_sounds_are_refused_before_the_work(tmp_path):
    silent = dummy_video(tmp_path / "silent.mp4", audio=False)
    cases = [
        (tmp_path / "v.avi", "unknown suffix '.avi'; use one of .mp4 .m4v .mov .mkv .webm"),
        (tmp_path / "none" / "v.mp4", "does not exist"),
    ]
    for path, reason in cases:
        with pytest.raises(DataError, match=reason), VideoWriter(path, 64, 48, 25):
            pytest.fail("opened")
    for path, reason in [(tmp_path / "none.wav", "no such file"), (silent, "no audio track")]:
        with pytest.raises(DataError, match=reason):
            Sound(path)
    with pytest.raises(DataError, match="no frames to write"), VideoWriter(tmp_path / "v.mp4", 64, 48, 25):
        pass


@pytest.mark.parametrize(
    ("image", "pts"),
    [(np.zeros((48, 64, 3)), 1), (np.zeros((64, 48, 3), np.uint8), 1), (np.zeros((48, 64, 3), np.uint8), 0.5)],
)
def test_frames_that_do_not_fit_are_a_callers_mistake(tmp_path, image, pts):
    with pytest.raises(ValueError), VideoWriter(tmp_path / "v.mp4", 64, 48, 25) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.5)
        writer.write(image, pts)
    assert not (tmp_path / "v.mp4").exists()


@pytest.mark.clips
@pytest.mark.parametrize("name", ["odd_22fps.mp4", "square_590.mp4"])
def test_real_clips_go_through(tmp_path, name):
    source = shared_file(f"data/real/{name}")
    info, frames = probe(source), list(islice(read_frames(source), 12))
    images, times = np.stack([frame.image for frame in frames]), [frame.pts for frame in frames]
    path = write_with_sound(tmp_path / "v.mp4", images, source, times, info.frame_rate, colour=info.colour)
    found = list(read_frames(path))
    assert [frame.pts for frame in found] == pytest.approx(times, abs=2.5 * CLOCK_ERROR)
    differences = np.stack([frame.image for frame in found]).astype(int) - images
    assert np.abs(differences).mean() < 1.5 and np.abs(differences.mean((0, 1, 2))).max() < 0.25


@pytest.mark.parametrize("rate", [30000 / 1001, 24000 / 1001, 60])
def test_parts_join_to_the_whole(program, tmp_path, rate):
    pictures = np.random.default_rng(0).integers(0, 256, (50, 32, 48, 3), np.uint8)
    write_audio(tmp_path / "a.wav", np.full(48000, 0.3), 16000)
    options = {"rate": rate, "lossless": True}
    path = write_with_sound(tmp_path / "v.mp4", pictures, tmp_path / "a.wav", cuts=(7, 8, 31), **options)
    found = list(read_frames(path))
    assert np.array_equal([frame.image for frame in found], pictures)
    assert [frame.pts for frame in found] == pytest.approx([n / rate for n in range(50)], abs=CLOCK_ERROR)


def test_parts_with_uneven_times_join_to_the_whole(tmp_path):
    times = np.cumsum([0.3, *np.random.default_rng(0).uniform(0.004, 0.2, 39)]).tolist()
    write_audio(tmp_path / "a.wav", np.full(160000, 0.3), 16000)
    path = write_with_sound(tmp_path / "v.mp4", smooth_pictures(40), tmp_path / "a.wav", times, cuts=(3, 20, 21))
    assert [frame.pts for frame in read_frames(path)] == pytest.approx(times, abs=2.5 * CLOCK_ERROR)


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [
        (".mp4", "hevc", "yuv420p10le"),
        (".mkv", "vp9", "yuv444p"),
        (".webm", "av1", "yuv420p"),
        (".mov", "h264", "yuv422p"),
    ],
)
def test_a_sources_codec_and_pixel_format_are_followed(program, tmp_path, suffix, codec, pixel_format):
    pictures = smooth_pictures(6)
    source = write(tmp_path / f"s{suffix}", pictures, codec=codec, pixel_format=pixel_format)
    encoding = Encoding.fitting(tmp_path / f"v{suffix}", Encoding.of(probe(source)))
    assert (encoding.codec, encoding.pixel_format) == (codec, pixel_format)
    copy = probe(write(tmp_path / f"v{suffix}", pictures, codec=encoding.codec, pixel_format=encoding.pixel_format))
    assert (copy.codec, copy.pixel_format) == (codec, pixel_format)


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("yuv420p", "yuv420p"), ("yuvj422p", "yuv422p"), ("nv12", "yuv420p"), ("gray", "yuv420p"), ("gbrp", "yuv444p"),
        ("p010le", "yuv420p10le"), ("yuv420p12le", "yuv420p10le"), ("yuva444p10le", "yuv444p10le"),
        ("gbrp10le", "yuv444p10le"), ("yuv422p10be", "yuv422p10le"), ("rgb48le", "yuv444p10le"),
    ],
)  # fmt: skip
def test_a_pixel_format_that_is_not_written_becomes_the_nearest(tmp_path, stored, written):
    info = probe(write(tmp_path / "v.mp4", smooth_pictures(1)))
    assert Encoding.of(replace(info, pixel_format=stored)).pixel_format == written


def test_an_encoding_is_fitted_to_its_container():
    vp9 = Encoding(codec="vp9", pixel_format="yuv444p10le")
    assert Encoding.fitting(Path("v.mp4"), vp9) == Encoding("h264", None, "yuv444p10le")
    assert Encoding.fitting(Path("v.webm"), Encoding()) == Encoding("vp9", None, "yuv420p")
    assert Encoding.fitting(Path("v.mkv"), vp9, codec="av1") == Encoding("av1", None, "yuv420p10le")
    assert Encoding.fitting(Path("v.mkv"), vp9, quality=7, lossless=True) == Encoding("vp9", 7, "yuv444p10le", True)
    for wrong in ({"codec": "divx"}, {"pixel_format": "rgb24"}, {"quality": 64}):
        with pytest.raises(UsageError, match=r"expected|unknown"):
            Encoding(**wrong)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_altered_video_says_so(tmp_path, suffix):
    path = write_with_sound(tmp_path / f"v{suffix}", smooth_pictures(5), None, tags=tags({"title": "Two = 2"}))
    add_xmp(path)
    lines = subprocess.run([ffmpeg_path(), "-i", path], capture_output=True, text=True).stderr
    assert re.search(r"digital_source_type *: http.*/compositeWithTrainedAlgorithmicMedia", lines, re.IGNORECASE)
    assert re.search(r"title *: Two = 2", lines, re.IGNORECASE)
    assert len(list(read_frames(path))) == 5
    if suffix == ".mp4":
        assert path.read_bytes().endswith(XMP.encode())


def test_pictures_are_numbered_exact_and_marked(tmp_path):
    pictures = smooth_pictures(3)
    write_pictures(tmp_path / "%03d.png", pictures, first=7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["007.png", "008.png", "009.png"]
    assert np.array_equal([read_picture(tmp_path / f"00{n}.png") for n in (7, 8, 9)], pictures)
    assert b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / "007.png").read_bytes()
    with pytest.raises(DataError, match="needs one number"):
        write_pictures(tmp_path / "%s-%d.png", pictures)
