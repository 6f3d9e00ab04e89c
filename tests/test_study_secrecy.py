"""What the folder of a study tells raters: nothing in names, orders, streams and times, and only the key says more."""

import re
import shutil
import time
import zipfile
from pathlib import Path

import av
import ffmpeg
import pytest
from factories import dummy_media
from study_plans import dummy_study, page_data, write_plan

from dd_tools.evaluation.study.build import build_study
from dd_tools.evaluation.study.key import Item, Key


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Key]:
    return dummy_study(tmp_path_factory.mktemp("study"))


def test_the_folder_tells_nothing_about_systems_and_roles(built):
    folder, _ = built
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for word in (b"secret", b"clipx", b"clipy", b"truth", b"anchor", b"x264", b"Lavf", b"Lavc"):
            assert word not in content, (path, word)
    for path in files:
        if path.suffix != ".mp4":
            assert not re.search(r'"(repeat|trap|rated)"', path.read_text(encoding="utf-8"))
    assert len({path.stat().st_mtime for path in [folder, *folder.rglob("*")]}) == 1
    assert list(page_data(folder)["items"]) == sorted(page_data(folder)["items"])


def test_all_videos_have_the_same_streams_and_end_with_their_audio(tmp_path):
    """Also if those of the plan have not."""
    card = "testsrc2=size=64x48:rate={}:duration=0.8"
    makings = {
        "truth": ("a.mp4", "25", 1, 0.8, {"metadata:s:a:0": "handler_name=truth", "metadata:s:v:0": "language=deu"}),
        "a": ("b.mkv", "25", 2, 2.0, {"c:v": "libvpx-vp9", "c:a": "libopus", "metadata": "title=secret"}),
        "b": ("c.mov", "30000/1001", 1, 0.3, {"c:a": "pcm_s16le", "ar": 16000, "timecode": "00:00:00:00"}),
    }
    for name, rate, channels, seconds, options in makings.values():
        tone = ffmpeg.input(f"sine=duration={seconds}", format="lavfi").filter(
            "aformat", channel_layouts=f"{channels}c"
        )
        picture = ffmpeg.input(card.format(rate), format="lavfi")
        dummy_media(tmp_path / name, picture, tone, pix_fmt="yuv420p", **options)
    plan = write_plan(tmp_path, [(system, "x", "MF", making[0]) for system, making in makings.items()])
    build_study(plan, tmp_path / "study", raters=4)
    videos = list((tmp_path / "study" / "videos").iterdir())
    assert len(videos) > 4
    assert len({streams(path) for path in videos}) == 1
    for path in videos:
        video, audio = stream_ends(path)
        assert video == pytest.approx(audio, abs=0.001)


def streams(path: Path) -> tuple:
    """All that the file says of itself except sizes, durations and the form of its pixels."""
    with av.open(str(path)) as container:
        of_file = tuple(sorted(container.metadata.items())), len(container.streams)
        video, audio = container.streams.video[0], container.streams.audio[0]
        return (
            *of_file,
            *((one.codec.name, one.time_base, tuple(sorted(one.metadata.items()))) for one in (video, audio)),
            (audio.rate, audio.layout.name, audio.profile),
        )


def stream_ends(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float((one.start_time + one.duration) * one.time_base) for one in container.streams]


def test_videos_are_written_in_the_order_of_their_names(built, tmp_path, monkeypatch):
    """Which a ZIP file may keep, so that it must not be that of their kinds."""
    written = []

    def write(*arguments: object) -> float:
        written.append(arguments[-1].name)
        arguments[-1].write_bytes(b"")
        return 1.0

    for name in ("store", "store_anchor", "store_trap"):
        monkeypatch.setattr(f"dd_tools.evaluation.study.build.{name}", write)
    build_study(built[0].with_name("plan.tsv"), tmp_path / "study", raters=4)
    assert len(written) > 8 and written == sorted(written)


@pytest.mark.parametrize("zone", ["UTC+12", "UTC-14"])
def test_a_zip_file_takes_the_time_of_modification_everywhere(built, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert zipfile.ZipInfo.from_file(built[0] / "index.html").date_time[:3] in [(1980, 1, 2), (1980, 1, 3)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_with_its_key_the_same_plan_gives_the_same_study(built, tmp_path):
    folder, key = built
    shutil.copy(folder.with_name("study.key.json"), tmp_path / "again.key.json")
    assert build_study(folder.with_name("plan.tsv"), tmp_path / "again", raters=4) == key
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes(), path


def test_without_its_key_nobody_can_work_out_names_and_orders_again(built, tmp_path):
    """Not even with the plan, the videos and all settings."""
    folder, key = built
    other = build_study(folder.with_name("plan.tsv"), tmp_path / "study", raters=4)
    assert other.study != key.study
    assert not other.items.keys() & key.items.keys()
    assert not {path.name for path in folder.glob("*/*")} & {path.name for path in tmp_path.glob("study/*/*")}
    assert orders(other) != orders(key)


def orders(key: Key) -> list[list[Item]]:
    return [[key.items[name] for name in names] for names in key.sessions.values()]
