"""Studies on disk: faults of plans, what the page shows, and what a failure leaves."""

import os
import re
import shutil
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from factories import dummy_media, dummy_video, dummy_voice
from reporters import RecordingReporter
from study_plans import dummy_plan, dummy_study, page_data, write_plan

from dd_tools.errors import DataError, UsageError
from dd_tools.evaluation.study.build import build_study
from dd_tools.evaluation.study.key import ANCHOR, PREFERENCE, RATED, TRAP, Item, Key, read_key
from dd_tools.media.audio import read_audio


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Key]:
    return dummy_study(tmp_path_factory.mktemp("study"))


def test_the_page_shows_what_the_key_says(built):
    folder, key = built
    page = page_data(folder)
    assert read_key(folder.with_name("study.key.json")) == key
    assert page["id"] == key.study and page["items"].keys() == key.items.keys()
    assert {rater: tuple(names) for rater, names in page["sessions"].items()} == key.sessions
    for name, item in key.items.items():
        assert page["items"][name]["scenario"] == item.scenario
        [file] = page["items"][name]["videos"]
        if item.role == RATED and item.systems != (ANCHOR,):
            source = folder.with_name(f"{item.systems[0]}-{item.clip}.mp4")
            assert pitch(folder / file) == pitch(source)


def test_a_video_is_stored_once(built):
    folder, key = built
    traps = {item.answer for item in key.items.values() if item.role == TRAP}
    # Three systems and the anchor of two clips, in both scenarios, and a trap per answer.
    videos = {file.name for file in (folder / "videos").iterdir()}
    assert len(videos) == 4 * 2 + len(traps)
    assert videos == {Path(file).name for item in page_data(folder)["items"].values() for file in item["videos"]}


def test_every_link_of_the_page_leads_to_a_file(built):
    folder, _ = built
    text = (folder / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {"style.css", "data.js", "study.js"} <= set(links)
    assert all((folder / link).is_file() for link in links)
    for path in folder.glob("*.*"):
        assert not re.search(r"https?:|fetch\(|XMLHttp|sendBeacon|WebSocket|@import|url\(", path.read_text("utf-8"))
    assert "connect-src 'none'" in text


def test_preferences_show_two_videos_and_no_anchor(built, tmp_path):
    folder, _ = built
    key = build_study(folder.with_name("plan.tsv"), tmp_path / "study", mode=PREFERENCE, raters=3)
    assert {len(item["videos"]) for item in page_data(tmp_path / "study")["items"].values()} == {2}
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
        ([("Anchor", "x", "MF", "good.mp4")],
         ["line 2: a system cannot have the name 'Anchor', which the low anchor has; rename it"]),
        ([("TRUTH", "x", "MF", "good.mp4")],
         ["line 2: a system cannot have the name 'TRUTH'; 'truth' is the hidden reference"]),
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
        "no system is called 'truth', so the study has no hidden reference",
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
        build_study(plan, tmp_path / "study", raters=2)
    with pytest.raises(UsageError, match="in the folder that raters get"):
        build_study(plan, tmp_path / "new", key=tmp_path / "new" / "key.json")
    for settings in ({"raters": 0}, {"raters": 1001}, {"per_clip": 0}, {"mode": "best"}):
        with pytest.raises(UsageError):
            build_study(plan, tmp_path / "new", **settings)


@pytest.mark.parametrize("folder", [".", "", "/", "../here"])
def test_a_folder_that_cannot_be_new_is_refused(tmp_path, monkeypatch, folder):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="not a new folder"):
        build_study(Path("plan.tsv"), Path(folder))
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_a_parent_that_is_not_writable_is_mentioned_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataError, match=r"study': folder '.*' is not writable"):
        build_study(tmp_path / "none.tsv", tmp_path / "study", key=tmp_path / "elsewhere.json")


def test_a_build_that_fails_leaves_nothing_and_names_the_folder(tmp_path, monkeypatch):
    def fail(*arguments: object) -> None:
        raise DataError(f"cannot write '{arguments[-1]}': disk full")

    plan = dummy_plan(tmp_path, clips="x", seconds=0.2)
    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr("dd_tools.evaluation.study.build.store_trap", fail)
    monkeypatch.setattr("dd_tools.evaluation.study.build.store_anchor", fail)
    with pytest.raises(DataError, match=rf"^cannot write '{tmp_path}/study/videos/\w+\.mp4': disk full$"):
        build_study(plan, tmp_path / "study", raters=1)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_folder_that_cannot_be_renamed_leaves_the_keys_as_they_were(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    plan = dummy_plan(tmp_path, clips="x", seconds=0.2)
    build_study(plan, tmp_path / "study", raters=1)
    shutil.rmtree(tmp_path / "study")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(Path, "rename", fail)
    for name in ("study", "new"):
        with pytest.raises(DataError, match=f"{name}': [Rr]ead-only file system"):
            build_study(plan, tmp_path / name, raters=1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_a_truth_each_system_is_the_anchor_in_turn(tmp_path):
    key = build_study(dummy_plan(tmp_path, "a b", "x y"), tmp_path / "study", raters=2)
    for clip, system in (("x", "a"), ("y", "b")):
        [name] = [name for name, item in key.items.items() if item == Item(RATED, "MF", clip, (ANCHOR,))]
        shown = tmp_path / "study" / page_data(tmp_path / "study")["items"][name]["videos"][0]
        assert pitch(shown) == pitch(tmp_path / f"{system}-{clip}.mp4")


def pitch(path: Path) -> int:
    """Of a tone, in units of 100 Hz."""
    sound = read_audio(path, 16000)[1600:9600]
    return round(int(np.argmax(np.abs(np.fft.rfft(sound)))) * 16000 / len(sound) / 100)
