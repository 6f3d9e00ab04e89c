"""Studies on disk: faults of plans, what the folder tells raters, what is in its videos, and what a failure leaves."""

import json
import os
import re
from pathlib import Path

import av
import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_video, dummy_voice
from reporters import RecordingReporter
from study_plans import dummy_plan, write_plan

from dd_tools.errors import DataError, UsageError
from dd_tools.evaluation.study.build import build_study
from dd_tools.evaluation.study.key import ANCHOR, PREFERENCE, RATED, TRAP, Item, Key, read_key
from dd_tools.evaluation.study.traps import draw_text
from dd_tools.evaluation.study.videos import SHIFT, inspect, store, store_anchor
from dd_tools.media.audio import read_audio
from dd_tools.media.video import probe, read_frames


def data(study: Path) -> dict:
    """What the page knows."""
    return json.loads((study / "data.js").read_text().removeprefix("const STUDY = ").rstrip(";\n"))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Key]:
    """A study of two systems and the truth in two scenarios."""
    folder = tmp_path_factory.mktemp("study")
    plan = dummy_plan(folder, "secretone secrettwo truth", "clipx clipy", "MF, N", seconds=0.4)
    return folder / "study", build_study(plan, folder / "study", raters=4, seed=1)


def test_the_folder_tells_nothing_about_systems_and_roles(built):
    folder, key = built
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for word in (b"secret", b"clipx", b"clipy", b"truth", b"anchor", b"x264 - core", b"Lavf"):
            assert word not in content or path.name in trap_files(folder, key), (path, word)
    for path in files:
        if path.suffix != ".mp4":
            assert not re.search(r'"(repeat|trap|rated)"', path.read_text(encoding="utf-8"))
    assert len({path.stat().st_mtime for path in [folder, *folder.rglob("*")]}) == 1
    with av.open(str(folder / data(folder)["items"][items(key, RATED)[0]]["videos"][0])) as video:
        assert not {"encoder", "title", "comment", "creation_time"} & video.metadata.keys()


def items(key: Key, role: str) -> list[str]:
    return [name for name, item in key.items.items() if item.role == role]


def trap_files(folder: Path, key: Key) -> set[str]:
    return {Path(file).name for name in items(key, TRAP) for file in data(folder)["items"][name]["videos"]}


def test_the_page_shows_what_the_key_says(built):
    folder, key = built
    page = data(folder)
    assert read_key(folder.with_name("study.key.json")) == key
    assert page["id"] == key.study and page["items"].keys() == key.items.keys()
    assert {rater: tuple(names) for rater, names in page["sessions"].items()} == key.sessions
    for name, item in key.items.items():
        assert page["items"][name]["scenario"] == item.scenario
        [file] = page["items"][name]["videos"]
        if item.role == RATED and item.systems != (ANCHOR,):
            source = folder.with_name(f"{item.systems[0]}-{item.clip}.mp4")
            assert read_audio(folder / file).tolist() == read_audio(source).tolist()


def test_a_video_is_stored_once(built):
    folder, key = built
    traps = {item.answer for item in key.items.values() if item.role == TRAP}
    # Three systems and the anchor of two clips, in both scenarios, and a trap per answer.
    videos = {file.name for file in (folder / "videos").iterdir()}
    assert len(videos) == 4 * 2 + len(traps)
    assert videos == {Path(file).name for item in data(folder)["items"].values() for file in item["videos"]}


def test_every_link_of_the_page_leads_to_a_file(built):
    folder, _ = built
    text = (folder / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {"style.css", "data.js", "study.js"} <= set(links)
    assert all((folder / link).is_file() for link in links)
    for path in folder.glob("*.*"):
        assert not re.search(r"https?:|fetch\(|XMLHttp|sendBeacon|WebSocket|@import|url\(", path.read_text("utf-8"))
    assert "connect-src 'none'" in text


def test_the_same_plan_gives_the_same_study(built, tmp_path):
    folder, key = built
    plan = folder.with_name("plan.tsv")
    again = build_study(plan, tmp_path / "again", raters=4, seed=1)
    other = build_study(plan, tmp_path / "other", raters=4, seed=2)
    assert again == key and other.study != key.study
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes(), path


def test_preferences_show_two_videos_and_no_anchor(built, tmp_path):
    folder, _ = built
    key = build_study(folder.with_name("plan.tsv"), tmp_path / "study", mode=PREFERENCE, raters=3)
    assert {len(item["videos"]) for item in data(tmp_path / "study")["items"].values()} == {2}
    assert not [item for item in key.items.values() if ANCHOR in item.systems]


VIDEO = ("a", "x", "MF", "good.mp4")


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([], ["no videos"]),
        ([("a", "x", "MF", "none.mp4")], ["line 2: cannot read 'none.mp4': no such file"]),
        ([("a", "x", "MF", "text.mp4")], ["line 2: cannot read 'text.mp4': not a video or audio file"]),
        ([("a", "x", "MF", "image.png")], ["line 2: cannot read 'image.png': an image, not a video"]),
        ([("a", "x", "MF", "voice.wav")], ["line 2: cannot read 'voice.wav': no video track"]),
        ([("a", "x", "MF", "mute.mp4")], ["line 2: cannot use 'mute.mp4': no audio track"]),
        ([("a", "x", "XX", "good.mp4")], ["line 2: unknown scenario 'XX', expected MF, RI, N, CL"]),
        ([("a", "", "MF", "good.mp4")], ["line 2: clip is empty"]),
        ([(*VIDEO, "more")], ["line 2: 5 cells, expected 4, as many as columns"]),
        ([("anchor", "x", "MF", "good.mp4")],
         ["line 2: a system cannot have the name 'anchor', which the low anchor has; rename it"]),
        ([VIDEO, ("b", "x", "MF", "good.mp4"), ("b", "y", "MF", "good.mp4")],
         ["system 'a' has no video of clip 'y' in MF, as others have"]),
        ([VIDEO, ("a", "x", "MF,N", "other.mp4")],
         ["line 3: system 'a' has another video of clip 'x' in MF in line 2; give two systems two names"]),
        ([VIDEO, ("b", "x", "MF", "long.mp4")], ["the videos of clip 'x' last 0.40 to 1.20 s; cut them alike"]),
        ([("a", "x", "XX", "good.mp4"), VIDEO, ("a", "x", "MF", "none.mp4")],
         ["line 2: unknown scenario 'XX', expected MF, RI, N, CL", "line 4: cannot read 'none.mp4': no such file"]),
    ],
)  # fmt: skip
def test_all_faults_of_a_plan_are_named(tmp_path, monkeypatch, rows, faults):
    monkeypatch.chdir(tmp_path)
    dummy_video(Path("good.mp4"), 0.4)
    dummy_video(Path("other.mp4"), 0.4, size=(66, 48))
    dummy_video(Path("long.mp4"), 1.2)
    dummy_video(Path("mute.mp4"), 0.4, audio=False)
    dummy_media(Path("image.png"), ffmpeg.input("testsrc2=size=64x48:duration=0.1", format="lavfi"), **{"frames:v": 1})
    dummy_voice(Path("voice.wav"))
    Path("text.mp4").write_text("no video")
    plan, found = write_plan(Path(), rows), []
    with pytest.raises(DataError) as error:
        build_study(plan, Path("study"), fail=found.append)
    assert [*found, str(error.value)] == [f"cannot use 'plan.tsv': {fault}" for fault in faults]
    assert not [path for path in Path().iterdir() if "study" in path.name]


@pytest.mark.parametrize(
    ("columns", "fault"),
    [("system clip video", "no column scenario"), ("system clip scenario video extra", "expected the columns")],
)
def test_a_plan_has_its_four_columns(tmp_path, columns, fault):
    with pytest.raises(DataError, match=fault):
        build_study(write_plan(tmp_path, [], columns), tmp_path / "study")


def test_what_raters_may_notice_is_said(tmp_path):
    dummy_video(tmp_path / "a.mp4", 0.4)
    dummy_video(tmp_path / "b.mp4", 0.6, size=(80, 48))
    rows = [("a", "x", "MF,N", "a.mp4"), ("b", "x", "MF,N", "b.mp4"), ("c", "x", "MF,N", "b.mp4")]
    reporter = RecordingReporter()
    build_study(write_plan(tmp_path, rows), tmp_path / "study", raters=1, reporter=reporter)
    assert reporter.messages == [
        "the videos of clip 'x' last 0.40 to 0.60 s, by which raters may tell systems",
        "the videos of clip 'x' differ in size (64x48, 80x48), by which raters may tell systems",
        "systems 'b' and 'c' have the same video of clip 'x'",
    ]


def test_two_systems_are_needed_for_a_preference(tmp_path):
    with pytest.raises(DataError, match="only one system in MF"):
        build_study(dummy_plan(tmp_path, "a", seconds=0.2), tmp_path / "study", mode=PREFERENCE)


def test_folders_and_keys_that_exist_are_kept(tmp_path):
    plan = dummy_plan(tmp_path, clips="x", seconds=0.2)
    build_study(plan, tmp_path / "study", raters=1)
    with pytest.raises(DataError, match="exists and is not an empty folder"):
        build_study(plan, tmp_path / "study", raters=1)
    (tmp_path / "study").rename(tmp_path / "handed-out")
    build_study(plan, tmp_path / "study", raters=1)  # the same key
    (tmp_path / "study").rename(tmp_path / "handed-out-too")
    with pytest.raises(DataError, match="key of another study"):
        build_study(plan, tmp_path / "study", raters=1, seed=5)
    with pytest.raises(UsageError, match="in the folder that raters get"):
        build_study(plan, tmp_path / "new", key=tmp_path / "new" / "key.json")
    for settings in ({"raters": 0}, {"per_clip": 0}, {"mode": "best"}):
        with pytest.raises(UsageError):
            build_study(plan, tmp_path / "new", **settings)


def test_a_build_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise DataError("disk full")

    plan = dummy_plan(tmp_path, clips="x", seconds=0.2)
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr("dd_tools.evaluation.study.build.store_trap", fail)
    monkeypatch.setattr("dd_tools.evaluation.study.build.store_anchor", fail)
    with pytest.raises(DataError, match="disk full"):
        build_study(plan, tmp_path / "study", raters=1)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_video_that_browsers_play_is_copied(tmp_path):
    source = inspect(dummy_video(tmp_path / "source.mp4", 1.0))
    store(source, tmp_path / "copy.mp4")
    assert source.encoded_again is None
    for one, other in zip(read_frames(tmp_path / "source.mp4"), read_frames(tmp_path / "copy.mp4"), strict=True):
        assert one.pts == other.pts and (one.image == other.image).all()
    assert (read_audio(tmp_path / "source.mp4") == read_audio(tmp_path / "copy.mp4")).all()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.mp4", {"c:v": "libx264", "pix_fmt": "yuv444p"}, "h264 yuv444p"),
        ("a.mkv", {"c:v": "ffv1", "pix_fmt": "bgr0", "c:a": "flac"}, "ffv1 bgr0 and flac"),
        ("a.avi", {"c:v": "mpeg4", "pix_fmt": "yuv420p", "c:a": "mp3"}, "mpeg4 yuv420p"),
        ("a.mkv", {"c:v": "libx264", "pix_fmt": "yuv420p", "c:a": "pcm_s16le"}, "pcm_s16le"),
    ],
)
def test_other_encodings_become_h264_and_aac(tmp_path, name, options, words):
    picture = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=0.4", format="lavfi")
    if options["pix_fmt"] != "yuv420p":  # which an odd size needs
        picture = picture.filter("format", "rgb24").filter("crop", 63, 47)
    tone = ffmpeg.input("sine=frequency=440:duration=0.4", format="lavfi")
    source = inspect(dummy_media(tmp_path / name, picture, tone, **options))
    assert source.encoded_again == words
    store(source, tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert (info.codec, info.pixel_format, info.has_audio) == ("h264", "yuv420p", True)
    assert (info.width, info.height) == (64, 48)
    frames = zip(read_frames(tmp_path / name), read_frames(tmp_path / "out.mp4"), strict=True)
    for one, other in frames:
        height, width, _ = one.image.shape
        assert np.abs(one.image.astype(float) - other.image[:height, :width]).mean() < 9
        assert one.pts == pytest.approx(other.pts, abs=0.002)


def test_the_anchor_hears_what_it_sees_six_frames_later(tmp_path):
    """A beep that begins with a second's start begins `SHIFT` frames before it."""
    tone = ffmpeg.input("aevalsrc='if(gte(t,1),sin(2764*t),0)':duration=2:sample_rate=48000", format="lavfi")
    picture = ffmpeg.input("testsrc2=size=64x48:rate=25:duration=2", format="lavfi")
    source = inspect(dummy_media(tmp_path / "source.mp4", picture, tone, pix_fmt="yuv420p"))
    store_anchor(source, tmp_path / "anchor.mp4")
    sound = read_audio(tmp_path / "anchor.mp4", 16000)
    assert np.argmax(np.abs(sound) > 0.1) / 16000 == pytest.approx(1 - SHIFT / 25, abs=0.01)
    assert np.abs(sound[int((2 - SHIFT / 25 + 0.03) * 16000) :]).max() < 0.01
    assert len(sound) / 16000 == pytest.approx(2, abs=0.05)
    assert len(list(read_frames(tmp_path / "anchor.mp4"))) == 50


def test_without_a_truth_each_system_is_the_anchor_in_turn(tmp_path):
    key = build_study(dummy_plan(tmp_path, "a b", "x y"), tmp_path / "study", raters=2)
    for clip, system in (("x", "a"), ("y", "b")):
        [name] = [name for name, item in key.items.items() if item == Item(RATED, "MF", clip, (ANCHOR,))]
        shown = tmp_path / "study" / data(tmp_path / "study")["items"][name]["videos"][0]
        assert pitch(shown) == pitch(tmp_path / f"{system}-{clip}.mp4")


def pitch(path: Path) -> int:
    """Of a tone, in units of 100 Hz."""
    sound = read_audio(path, 16000)[1600:9600]
    return round(int(np.argmax(np.abs(np.fft.rfft(sound)))) * 16000 / len(sound) / 100)


@pytest.mark.parametrize("size", [(64, 48), (1280, 720), (96, 480)])
def test_the_text_of_a_trap_fits_into_its_frame(size):
    image = draw_text("Attention check\nPlease rate 5, Excellent", size)
    rows, columns = np.nonzero((image != image[0, 0]).any(-1))
    assert image.shape == (size[1], size[0], 3)
    assert rows.min() > 0.02 * size[1] and rows.max() < 0.98 * size[1]
    assert 0.02 * size[0] < columns.min() and columns.max() < 0.98 * size[0]
    assert columns.max() - columns.min() > 0.7 * size[0] or rows.max() - rows.min() > 0.6 * size[1]
