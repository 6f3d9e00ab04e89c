"""Encoding: frames, times and colours come back from the file, and failures leave no file."""

import resource
import signal
import subprocess
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from factories import dummy_media
from media_files import smooth_frames, write_video

from dd_tools.errors import DataError
from dd_tools.media.colour import Colour
from dd_tools.media.encode import VideoWriter
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.video import probe, read_frames


@pytest.mark.parametrize(
    ("rate", "suffix"), [("24000/1001", ".mp4"), ("30000/1001", ".mov"), ("25", ".m4v"), ("60", ".mp4")]
)
def test_constant_frame_rates_are_exact(program, tmp_path, rate, suffix):
    exact = Fraction(rate)
    path = write_video(tmp_path / f"v{suffix}", smooth_frames(40), rate=float(exact))
    assert probe(path).frame_rate == float(exact)
    assert [frame.pts for frame in read_frames(path)] == [float(n / exact) for n in range(40)]


def test_matroska_keeps_times_to_a_millisecond(tmp_path):
    path = write_video(tmp_path / "v.mkv", smooth_frames(30), rate=30000 / 1001)
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
    frames = smooth_frames(4)
    path = write_video(tmp_path / "v.mp4", frames, colour=colour, quality=0)
    assert probe(path).colour == colour
    found = np.stack([frame.image for frame in read_frames(path)])
    difference = found.astype(int) - frames
    # New versions of ffmpeg round full-range chroma down, an error of half a level.
    mean, bias = (0.8, 0.2) if range_ == "tv" else (1.0, 1.0)
    assert np.abs(difference).mean() < mean
    assert np.abs(difference.mean((0, 1, 2))).max() < bias


@pytest.mark.parametrize(
    ("space", "size"), [("bt709", (96, 64)), ("smpte170m", (1280, 64)), (None, (96, 64)), (None, (1280, 64))]
)
def test_a_copy_has_the_stored_values_of_its_source(tmp_path, space, size):
    """Decoding to RGB and encoding again must not change luma or chroma, with tags or without: planes are compared."""
    pattern = ffmpeg.input(f"gradients=size={size[0]}x{size[1]}:rate=25:duration=0.12:seed=5", format="lavfi")
    tags = {"colorspace": space, "color_range": "tv"} if space else {}
    source = dummy_media(tmp_path / "s.mp4", pattern, pix_fmt="yuv420p", crf=1, vf="eq=saturation=0.4", **tags)
    colour = probe(source).colour
    frames = list(read_frames(source))
    copy = write_video(tmp_path / "c.mp4", np.stack([frame.image for frame in frames]), colour=colour, quality=0)
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
def test_lossless_frames_are_exact_even_with_noise_and_odd_sizes(program, tmp_path, suffix):
    frames = np.random.default_rng(0).integers(0, 256, (3, 47, 63, 3), np.uint8)
    path = write_video(tmp_path / f"v{suffix}", frames, lossless=True)
    assert np.array_equal([frame.image for frame in read_frames(path)], frames)


def test_odd_sizes_repeat_their_last_row_and_column(tmp_path):
    frames = smooth_frames(2, (63, 47))
    path = write_video(tmp_path / "v.mp4", frames, quality=1)
    found = np.stack([frame.image for frame in read_frames(path)])
    assert found.shape == (2, 48, 64, 3)
    assert np.abs(found[:, :47, :63].astype(int) - frames).mean() < 1
    assert np.abs(found[:, 47, :63].astype(int) - frames[:, 46]).mean() < 2


def test_a_failure_leaves_the_old_file_and_no_process(tmp_path, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    target = tmp_path / "v.mp4"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), VideoWriter(target, 96, 64, 25) as writer:
        writer.write(smooth_frames(1)[0], 0)
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
        write_video(tmp_path / "v.mp4", noise)
    assert str(caught.value).startswith(f"cannot write '{tmp_path / 'v.mp4'}': ffmpeg: ")
    assert "File too large" in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_unsuitable_targets_are_refused_at_once(tmp_path):
    cases = [
        (tmp_path / "v.avi", "unknown suffix '.avi'; use one of .mp4 .m4v .mov .mkv .webm"),
        (tmp_path / "none" / "v.mp4", "does not exist"),
    ]
    for path, reason in cases:
        with pytest.raises(DataError, match=reason), VideoWriter(path, 64, 48, 25):
            pytest.fail("opened")
    with pytest.raises(DataError, match="no frames to write"), VideoWriter(tmp_path / "v.mp4", 64, 48, 25):
        pass


@pytest.mark.parametrize(
    ("image", "pts"),
    [(np.zeros((48, 64, 3)), 1), (np.zeros((64, 48, 3), np.uint8), 1), (np.zeros((48, 64, 3), np.uint8), 0.5)],
)
def test_unsuitable_frames_are_a_value_error(tmp_path, image, pts):
    with pytest.raises(ValueError), VideoWriter(tmp_path / "v.mp4", 64, 48, 25) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.5)
        writer.write(image, pts)
    assert not (tmp_path / "v.mp4").exists()
