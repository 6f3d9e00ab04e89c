"""Reading: descriptions, frames, times and colours of videos, and errors for everything else."""

import gc
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_turned, dummy_video, raw_video, shared_file
from media_files import open_files, smooth_frames, write_video
from PIL import Image

from dd_tools.errors import DataError
from dd_tools.media.video import probe, read_frames


def grey_levels(path: Path, levels: list[int], **options: object) -> Path:
    """A 16×16 video whose frame n has luma levels[n] everywhere."""
    frames = np.full((len(levels), 384), 128, np.uint8)
    frames[:, :256] = np.array(levels)[:, None]
    return raw_video(path, frames, "yuv420p", (16, 16), **options)


@pytest.mark.parametrize(
    ("rate", "suffix"),
    [("24000/1001", ".mp4"), ("30000/1001", ".avi"), ("60", ".mov"), ("25/2", ".mkv")],
)
def test_constant_rates_and_their_frame_times_are_exact(program, tmp_path, rate, suffix):
    path = dummy_video(tmp_path / f"v{suffix}", seconds=0.4, rate=rate, audio=False)
    frames = list(read_frames(path))
    assert probe(path).frame_rate == float(Fraction(rate))
    assert [frame.pts for frame in frames] == [float(n / Fraction(rate)) for n in range(len(frames))]
    assert len(frames) == round(0.4 * Fraction(rate))


def test_description_of_a_plain_video(tmp_path):
    info = probe(dummy_video(tmp_path / "v.mp4", seconds=2, size=(64, 48)))
    assert (info.width, info.height, info.has_audio, info.is_still, info.pixel_format) == (
        64,
        48,
        True,
        False,
        "yuv420p",
    )
    assert info.duration == pytest.approx(2, abs=0.05)
    assert not probe(dummy_video(tmp_path / "w.mp4", audio=False)).has_audio


def test_a_described_video_is_not_probed_again(tmp_path, monkeypatch):
    info = probe(dummy_video(tmp_path / "v.mp4", seconds=0.2))
    monkeypatch.setattr("dd_tools.media.video.probe", lambda path: pytest.fail("probed again"))
    assert len(list(read_frames(info))) == 5


def test_variable_frame_times_are_kept_and_each_frame_has_its_own(program, tmp_path):
    levels = [16 + 10 * n for n in range(12)]
    # Twice as slow from the fifth frame on, a gap of a second before the tenth.
    times = [0.04 * n if n < 5 else 0.16 + 0.08 * (n - 4) for n in range(9)] + [1.56 + 0.01 * n for n in range(3)]
    choose = "+".join(f"eq(N,{n})*{round(time * 1000)}" for n, time in enumerate(times))
    path = grey_levels(
        tmp_path / "vfr.mkv",
        levels,
        vf=f"settb=1/1000,setpts='{choose}'",
        fps_mode="passthrough",
        enc_time_base="1/1000",
    )
    frames = list(read_frames(path))
    assert [frame.pts for frame in frames] == pytest.approx(times, abs=1e-9)
    assert [round(frame.image.mean() * 219 / 255 + 16) for frame in frames] == levels


def test_resampling_repeats_and_drops_frames_by_time(tmp_path):
    path = grey_levels(tmp_path / "v.mp4", list(range(20, 220, 4)), rate=50)
    frames = list(read_frames(path, fps=25))
    assert [frame.pts for frame in frames] == [n / 25 for n in range(25)]
    assert len({frame.image.tobytes() for frame in frames}) == 25
    faster = list(read_frames(path, fps=30000 / 1001))
    assert [frame.pts for frame in faster] == [float(Fraction(1001 * n, 30000)) for n in range(30)]


@pytest.mark.parametrize("degrees", [90, 180])
def test_phone_videos_are_rotated_upright(program, tmp_path, degrees):
    path = dummy_video(tmp_path / "v.mp4", seconds=0.2, size=(64, 48), audio=False)
    (upright, *_) = read_frames(path)
    path = dummy_turned(path, degrees)
    (rotated, *_) = read_frames(path)
    expected = np.rot90(upright.image, -degrees // 90)  # the matrix rotates clockwise
    assert (probe(path).width, probe(path).height) == (expected.shape[1], expected.shape[0])
    assert np.abs(rotated.image.astype(int) - expected).mean() < 1.5  # chroma is sited differently


def _rgb(luma: float, blue: float, red: float, kr: float, kb: float, full: bool) -> np.ndarray:
    """ITU-T H.273, equations 8 bit."""
    y, cb, cr = (luma / 255, (blue - 128) / 255, (red - 128) / 255) if full else (
        (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    )  # fmt: skip
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return np.clip(255 * np.array([r, (y - kr * r - kb * b) / (1 - kr - kb), b]), 0, 255)


BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
COLOURS = [
    # space tag, range tag, size, expected matrix, expected full range
    ("bt709", "pc", (32, 32), BT709, True),
    ("smpte170m", "tv", (32, 32), BT601, False),
    ("bt470bg", "pc", (1280, 16), BT601, True),
    ("bt2020nc", "tv", (32, 32), BT2020, False),
    (None, None, (720, 576), BT601, False),
    (None, None, (1280, 16), BT709, False),
    (None, None, (16, 720), BT709, False),
]


@pytest.mark.parametrize(("space", "range_", "size", "matrix", "full"), COLOURS)
def test_colours_follow_the_streams_matrix_and_range(program, tmp_path, space, range_, size, matrix, full):
    depth = 10 if space == "bt2020nc" else 8
    patches = [(81, 90, 240), (145, 54, 34), (41, 240, 110), (128, 128, 128), (180, 120, 150)]
    area, scale = size[0] * size[1], 1 << (depth - 8)
    planes = [np.repeat(np.array(patch) * scale, [area, area // 4, area // 4]) for patch in patches]
    tags = f"colorspace={space}:range={range_}" if space else ""
    frames = np.stack(planes).astype("<u2" if depth == 10 else "u1")
    path = raw_video(tmp_path / "v.mp4", frames, "yuv420p10le" if depth == 10 else "yuv420p", size, tags=tags)
    for patch, frame in zip(patches, read_frames(path), strict=True):
        expected = _rgb(*patch, *matrix, full)
        assert np.abs(frame.image[:16, :16].reshape(-1, 3).mean(0) - expected).max() <= 1.01


def test_grey_video_is_grey(tmp_path):
    frames = np.repeat(np.array([[16], [126], [235]], np.uint8), 256, axis=1)
    path = raw_video(tmp_path / "v.mkv", frames, "gray", (16, 16), tags="range=tv")
    assert [frame.image.reshape(-1, 3).mean(0).round().tolist() for frame in read_frames(path)] == [
        [0] * 3, [128] * 3, [255] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize(("aspect", "size"), [("16/15", (96, 72)), ("9/10", (90, 80)), ("1/1", (90, 72))])
def test_pixels_become_square(tmp_path, aspect, size):
    pattern = ffmpeg.input("testsrc2=size=90x72:rate=25:duration=0.2", format="lavfi")
    path = dummy_media(tmp_path / "v.mp4", pattern, pix_fmt="yuv420p", vf=f"setsar={aspect}")
    (frame, *_) = read_frames(path)
    assert (probe(path).width, probe(path).height) == size
    assert frame.image.shape == (size[1], size[0], 3)


def _delayed(path: Path, video: float, audio: float) -> Path:
    """A file whose video and audio begin at the given seconds."""
    pattern = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=1", format="lavfi", itsoffset=video)
    tone = ffmpeg.input("sine=frequency=440:duration=1", format="lavfi", itsoffset=audio)
    return dummy_media(path, pattern, tone, pix_fmt="yuv420p")


@pytest.mark.parametrize(("video", "audio", "first"), [(0.48, 0, 0.48), (0, 0.48, 0), (0.2, 0.2, 0)])
def test_times_count_from_the_earliest_stream(program, tmp_path, video, audio, first):
    (frame, *_) = read_frames(_delayed(tmp_path / "v.mkv", video, audio))
    # Matroska counts milliseconds, and the tone's encoder begins a block (23 ms) early.
    assert frame.pts == pytest.approx(first, abs=0.025)


def test_special_characters_in_names_have_no_meaning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = dummy_video(tmp_path / "v.mp4", seconds=0.2)
    for name in ("a:b.mp4", "-y.mp4", "100%d|'ü'.mp4"):
        Path(name).write_bytes(source.read_bytes())
        assert len(list(read_frames(name))) == 5


def test_a_truncated_video_gives_its_remaining_frames_and_reports_the_damage(program, tmp_path):
    whole = dummy_video(tmp_path / "v.mkv", seconds=4, size=(128, 96), audio=False)
    indexed = dummy_media(tmp_path / "v.mp4", ffmpeg.input(str(whole)), c="copy", movflags="+faststart")
    for path in (whole, indexed):
        reports = []
        frames = list(read_frames(path, on_damage=reports.append))
        assert (len(frames), reports) == (100, [])
        cut = path.with_stem("cut")
        cut.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        rest = list(read_frames(cut, on_damage=reports.append))
        assert 20 < len(rest) < 100
        # Near the cut frames may be missing, or broken where they refer to a missing one.
        pairs = list(zip(rest[:-8], frames, strict=False))
        assert all(a.pts == b.pts and np.array_equal(a.image, b.image) for a, b in pairs)
        assert len(reports) == 1 and f"'{cut}' is damaged" in reports[0] and f"{len(rest)} frames" in reports[0]


def test_closing_early_closes_the_file(tmp_path):
    path = dummy_video(tmp_path / "v.mp4", seconds=2, size=(320, 240))
    frames = read_frames(path)
    next(frames)
    assert path in open_files()
    frames.close()
    assert path not in open_files()


def _not_video(kind: str, folder: Path) -> tuple[Path, str]:
    path = folder / kind
    if kind == "text.mp4" or kind == "text.txt":
        path.write_text("not a video\n" * 50)
        return path, "not a video or audio file"
    if kind == "empty.mp4":
        path.touch()
        return path, "empty file"
    if kind == "folder":
        path.mkdir()
        return path, "it is a folder"
    if kind == "noindex.mp4":
        whole = dummy_video(folder / "v.mp4").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        return path, "truncated, the index at the end of the MP4 is missing"
    if kind == "noframes.mp4":
        whole = dummy_media(
            folder / "v.mp4",
            ffmpeg.input("testsrc2=duration=1", format="lavfi"),
            movflags="+faststart",
            pix_fmt="yuv420p",
        ).read_bytes()
        path.write_bytes(whole[: whole.index(b"mdat") + 20])
        return path, "no frame of its video can be decoded"
    if kind == "sound.wav":
        return dummy_media(path, ffmpeg.input("sine=duration=0.2", format="lavfi")), "no video track"
    if kind == "cover.mp3":
        Image.new("RGB", (32, 32), "red").save(folder / "cover.jpg")
        cover, tone = ffmpeg.input(str(folder / "cover.jpg")), ffmpeg.input("sine=duration=0.2", format="lavfi")
        return dummy_media(path, cover, tone, **{"disposition:v": "attached_pic", "c:v": "copy"}), "no video track"
    return path, "no such file"


KINDS = ["missing.mp4", "text.mp4", "text.txt", "empty.mp4", "folder", "noindex.mp4", "noframes.mp4", "sound.wav"]
KINDS += ["cover.mp3"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_video_gets_one_clear_line(program, tmp_path, kind):
    path, reason = _not_video(kind, tmp_path)
    for read in (probe, read_frames):
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(caught.value).startswith(f"cannot read '{path}': {reason}")
        assert "\n" not in str(caught.value)


@pytest.mark.clips
@pytest.mark.parametrize(("name", "size", "rate", "count"), [
    ("odd_22fps.mp4", (700, 700), 22.13, 135),
    ("square_30fps.mp4", (700, 700), 30, 199),
    ("square_512_48k.mp4", (512, 512), 25, 125),
    ("square_590.mp4", (590, 590), 25, 125),
])  # fmt: skip
def test_real_clips(name, size, rate, count):
    path = shared_file(f"data/real/{name}")
    info, reports = probe(path), []
    assert ((info.width, info.height), info.frame_rate, info.has_audio) == (size, pytest.approx(rate, abs=0.005), True)
    times = [frame.pts for frame in read_frames(path, on_damage=reports.append)]
    assert len(times) == pytest.approx(count, abs=1) and reports == []
    assert np.all(np.diff(times) > 0)
    assert abs(times[-1] + 1 / rate - info.duration) < 0.06


def test_one_damaged_packet_near_the_end_costs_one_frame_however_many_processors_there_are(tmp_path):
    source, damaged, said = write_video(tmp_path / "v.mp4", smooth_frames(60)), tmp_path / "damaged.mp4", []
    with av.open(str(source)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][-4]
        content = bytearray(source.read_bytes())
        content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    damaged.write_bytes(content)
    assert len(list(read_frames(damaged, on_damage=said.append))) == 59
    assert len(said) == 1 and "1 packet cannot be decoded; 59 frames decoded" in said[0]


@pytest.mark.parametrize("matrix", ["YCgCo", "bt2020c", "smpte2085", "chroma-derived-nc"])
def test_frames_of_any_colour_space_are_read(tmp_path, matrix):
    card = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=0.2", format="lavfi")
    options = {"vcodec": "libx264", "pix_fmt": "yuv420p", "x264-params": f"colormatrix={matrix}"}
    assert len(list(read_frames(dummy_media(tmp_path / "v.mp4", card, **options)))) == 5


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_do_not_wait_for_the_garbage_collector(tmp_path, suffix):
    """In a reference cycle, hundreds of large frames would be held until it runs."""
    source = write_video(tmp_path / f"v{suffix}", smooth_frames(50))
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in read_frames(source)) == 50
        assert gc.collect() < 25
    finally:
        gc.enable()
