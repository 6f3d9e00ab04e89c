"""Subtitles, chapters and attachments of a video are copied where the container can hold them; the rest is named."""

import shutil
from pathlib import Path

import av
import ffmpeg
import numpy as np
import pytest
from factories import dummy_media
from media_files import smooth_frames, write_video
from odd_names import is_possible

from dd_tools.media.audio import has_audio, read_audio
from dd_tools.media.extras import find_extras
from dd_tools.media.joining import AudioTrack, join
from dd_tools.media.rates import exact_rate

SRT = "1\n00:00:00,200 --> 00:00:00,600\nGood morning\n\n2\n00:00:01,200 --> 00:00:01,600\nGood night\n"
CHAPTERS = "".join(
    f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n"
    for start, end, title in [(0, 500, "one"), (500, 2000, "two")]
)


@pytest.fixture(scope="module")
def rich(tmp_path_factory) -> Path:
    """Two seconds with two audio tracks, subtitles, chapters and a font."""
    folder = tmp_path_factory.mktemp("rich")
    (folder / "s.srt").write_text(SRT)
    (folder / "c.txt").write_text(";FFMETADATA1\n" + CHAPTERS)
    (folder / "font.ttf").write_bytes(bytes(range(256)))
    card = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=2", format="lavfi")
    tones = [ffmpeg.input(f"sine=frequency={hertz}:duration=2", format="lavfi") for hertz in (300, 500)]
    subtitles, chapters = ffmpeg.input(str(folder / "s.srt")), ffmpeg.input(str(folder / "c.txt"), format="ffmetadata")
    # The last input is mapped by nothing but its chapters.
    options = {"map_chapters": 4, "attach": str(folder / "font.ttf"), "metadata:s:t": "mimetype=font/ttf"}
    return dummy_media(folder / "v.mkv", card, *tones, subtitles, chapters["s:9?"], pix_fmt="yuv420p", **options)


def _copied(rich: Path, target: Path, seconds: float = 2.0) -> Path:
    codec = "vp9" if target.suffix == ".webm" else "h264"
    part = write_video(target.with_name("part.mp4"), smooth_frames(50), codec=codec)
    join([(part, 0.0)], target, exact_rate(25), seconds=seconds, extras=find_extras(rich, target))
    return target


def _subtitles(path: Path) -> list[tuple[float, str]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size and packet.pts is not None]
        texts = [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]
    return [(time, word) for time, text in texts for word in ("Good morning", "Good night") if word.encode() in text]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_subtitles_and_chapters_are_copied_into_every_container(program, rich, tmp_path, suffix):
    path = _copied(rich, tmp_path / f"out{suffix}")
    assert [word for _, word in _subtitles(path)] == ["Good morning", "Good night"]
    assert [time for time, _ in _subtitles(path)] == pytest.approx([0.2, 1.2], abs=0.002)
    with av.open(str(path)) as container:
        chapters = container.chapters()
        times = [float(chapter["start"] * chapter["time_base"]) for chapter in chapters]
        assert [chapter["metadata"]["title"] for chapter in chapters] == ["one", "two"]
        assert times == pytest.approx([0, 0.5], abs=0.001)


def test_attachments_are_copied_into_matroska_only(rich, tmp_path):
    with av.open(str(_copied(rich, tmp_path / "out.mkv"))) as container:
        (attachment,) = (stream for stream in container.streams if stream.type == "attachment")
        assert (attachment.name, attachment.data) == ("font.ttf", bytes(range(256)))
    assert find_extras(rich, Path("out.mkv")).lost == "1 audio track"
    for suffix in (".mp4", ".webm"):
        assert find_extras(rich, Path(f"out{suffix}")).lost == "1 audio track, 1 attachment"


def test_what_comes_after_the_end_of_the_output_is_cut(rich, tmp_path):
    path = _copied(rich, tmp_path / "out.mkv", seconds=1.0)
    assert [word for _, word in _subtitles(path)] == ["Good morning"]


def test_times_count_from_the_start_of_the_container(rich, tmp_path):
    shifted = dummy_media(tmp_path / "late.mkv", ffmpeg.input(str(rich)), c="copy", output_ts_offset=3)
    path = _copied(shifted, tmp_path / "out.mp4")
    assert [time for time, _ in _subtitles(path)] == pytest.approx([0.2, 1.2], abs=0.03)


@pytest.mark.parametrize("name", ["v.mkv", "M\udcfcller.mkv"])
def test_a_video_may_give_its_own_audio_too(rich, tmp_path, name):
    if not is_possible(name):
        pytest.skip("this system has no such names")
    part, source = write_video(tmp_path / "part.mp4", smooth_frames(50)), Path(shutil.copy(rich, tmp_path / name))
    target = tmp_path / "out.mp4"
    join([(part, 0.0)], target, exact_rate(25), audio=AudioTrack(source), seconds=2, extras=find_extras(source, target))
    assert len(_subtitles(target)) == 2 and has_audio(target)


def test_the_audio_that_is_heard_is_the_audio_that_is_copied(rich, tmp_path):
    """Not that of the first track, whose codec nobody knows."""
    source, target = tmp_path / "v.mkv", tmp_path / "out.mkv"
    codec = next(name for name in (b"A_VORBIS", b"A_OPUS", b"A_AAC", b"A_AC3") if name in rich.read_bytes())
    source.write_bytes(rich.read_bytes().replace(codec, b"A_" + b"X" * (len(codec) - 2), 1))
    part = write_video(tmp_path / "part.mp4", smooth_frames(50))
    join([(part, 0.0)], target, exact_rate(25), audio=AudioTrack(source), seconds=2)
    spectrum = np.abs(np.fft.rfft(read_audio(target)))
    assert np.argmax(spectrum) / 2 == pytest.approx(500, abs=10)


def test_a_plain_video_loses_nothing(tmp_path):
    source = write_video(tmp_path / "s.mp4", smooth_frames(3))
    extras = find_extras(source, tmp_path / "out.mp4")
    assert (extras.codecs, extras.lost) == ((), "")
    assert _copied(source, tmp_path / "out.mp4").exists()
