"""dd-eval from the command line: pairs, files, exit statuses."""

import json
import shutil

import numpy as np
import pytest
from commands import Outcome, call
from factories import DummyDetector, dummy_lossless_video, dummy_marked_face
from PIL import Image

from dd_tools.cli.eval import spread

TALKING = [dummy_marked_face(opening) for opening in (0.10, 0.35, 0.20)]
OTHERWISE = [dummy_marked_face(opening) for opening in (0.15, 0.30, 0.40)]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A generated and a true video."""
    folder = tmp_path_factory.mktemp("videos")
    return dummy_lossless_video(folder / "ours.mp4", OTHERWISE), dummy_lossless_video(folder / "gt.mp4", TALKING)


@pytest.fixture
def folders(videos, tmp_path, monkeypatch):
    """Folders ``ours`` and ``gt`` with the clips a and b in each."""
    monkeypatch.setattr("dd_tools.face.landmarks.open_detector", lambda name, say: DummyDetector())
    for video in videos:
        (tmp_path / video.stem).mkdir()
        for name in "ab":
            shutil.copy(video, tmp_path / video.stem / f"{name}.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dd_eval(*arguments: str) -> Outcome:
    return call("dd-eval", *arguments)


def test_folders_give_a_table_and_files(folders):
    status, out, err = dd_eval(
        "ours",
        "--truth",
        "gt",
        "--json",
        "r.json",
        "--csv",
        "r.csv",
        "--markdown",
        "r.md",
        "--contact-sheet",
        "r.png",
        "-q",
    )
    assert (status, err) == (0, "")
    assert "PSNR ↑ dB" in out
    assert "ours: mean of 2" in out
    report = json.loads((folders / "r.json").read_text())
    assert f"signature: {report['signature']}" in out
    assert [clip["clip"] for clip in report["clips"]] == ["a", "b"]
    assert report["systems"][0]["psnr"]["mean"] == pytest.approx(report["clips"][0]["psnr"])
    assert (folders / "r.csv").read_text().count("\n") == 4
    assert (folders / "r.md").read_text().startswith("|  | frames")
    sheet = np.asarray(Image.open(folders / "r.png"))
    assert sheet.shape == (2 * (14 + 2 * 72), 3 * 96, 3)
    assert not list(folders.glob(".*part*"))


def test_identical_videos_print_well(folders):
    _, out, _ = dd_eval("gt/a.mp4", "--truth", "gt/a.mp4")
    assert out.splitlines()[3].split() == ["gt/a", "3", "0", "inf", "1.000", "0.00", "1.000", "1.00", "0.00"]


def test_several_truths_may_follow_one_option(folders):
    status, out, _ = dd_eval("ours/a.mp4", "ours/b.mp4", "--truth", "gt/a.mp4", "gt/b.mp4", "-q")
    assert status == 0
    assert "mean of 2" in out


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("a b --truth c d -q", "a b --truth c --truth d -q"),
        ("a --truth c -q b", "a --truth c -q b"),
        ("a --truth c --json x --truth d e", "a --truth c --json x --truth d --truth e"),
        ("--truth=c a b", "--truth=c a b"),
        ("a --truth c -- b", "a --truth c -- b"),
        ("--truth", "--truth"),
    ],
)
def test_spread(given, parsed):
    assert spread(given.split(), "--truth") == parsed.split()


def test_a_missing_partner_is_named_counted_and_the_rest_scored(folders):
    (folders / "gt" / "b.mp4").unlink()
    status, out, err = dd_eval("ours", "--truth", "gt", "--json", "r.json", "-q")
    assert (status, err.splitlines()) == (
        1,
        ["dd-eval: no truth for 'ours/b.mp4'", "dd-eval: 1 of 2 videos not scored"],
    )
    assert "ours/a" in out
    assert json.loads((folders / "r.json").read_text())["failed"] == ["no truth for 'ours/b.mp4'"]


def test_a_bad_video_is_named_and_the_rest_scored(folders):
    (folders / "ours" / "a.mp4").write_text("no video")
    dummy_lossless_video(folders / "ours" / "c.mp4", OTHERWISE)
    dummy_lossless_video(folders / "gt" / "c.mp4", [dummy_marked_face(opening=0)] * 3)
    status, out, err = dd_eval("ours", "--truth", "gt", "-q")
    assert status == 1
    assert "ours/b" in out
    bad, faceless, count = err.splitlines()
    assert bad.startswith("dd-eval: cannot read 'ours/a.mp4'")
    assert faceless == "dd-eval: no face found in 'gt/c.mp4', in none of its 3 frames"
    assert count == "dd-eval: 2 of 3 videos not scored"


def test_nothing_to_compare_writes_nothing(folders):
    for path in (folders / "ours").iterdir():
        path.rename(path.with_stem("other" + path.stem))
    status, out, err = dd_eval("ours", "--truth", "gt", "--json", "r.json")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "dd-eval: 4 of 4 videos not scored"
    assert not (folders / "r.json").exists()


def test_missed_faces_are_reported(folders):
    dummy_lossless_video(folders / "ours" / "a.mp4", [*OTHERWISE[:2], dummy_marked_face(opening=0)])
    status, _, err = dd_eval("ours", "--truth", "gt")
    assert status == 0
    assert "dd-eval: no face found in 1 of 3 frames of 'ours/a.mp4': what needs one leaves them out" in err.splitlines()


def test_a_single_frame_is_scored_and_a_failure(folders):
    dummy_lossless_video(folders / "ours" / "a.mp4", OTHERWISE[:1])
    dummy_lossless_video(folders / "gt" / "a.mp4", TALKING[:1])
    status, out, err = dd_eval("ours", "--truth", "gt", "-q")
    assert (status, err) == (1, "dd-eval: only one frame to compare in 'ours/a.mp4': no motion to measure\n")
    assert "mean of 2" in out


def test_baseline_is_measured_once_for_each_truth(folders):
    (folders / "ours").rename(folders / "x")
    (folders / "y").mkdir()
    (folders / "x" / "b.mp4").rename(folders / "y" / "a.mp4")
    (folders / "gt" / "b.mp4").unlink()
    _, out, _ = dd_eval("x", "y", "--truth", "gt", "--baseline", "-q")
    assert [line.split("  ")[1] for line in out.splitlines() if "/a" in line] == [
        "x/a", "(first frame repeated)/a", "(truth unchanged)/a", "y/a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ours", "--truth", "gt", "--region", "nose"], 2, "unknown region 'nose', expected lower-face, mask, full"),
        (["ours", "--truth", "nowhere"], 1, "cannot read 'nowhere': no such file or folder"),
        (["ours", "--truth", "gt", "--json", "no/r.json"], 1, "cannot write 'no/r.json': folder 'no' does not exist"),
        (["ours", "--truth", "gt", "--csv", "gt/a.mp4"], 2, "'gt/a.mp4' is both input and output"),
        (["--truth", "gt", "ours"], 2, "missing argument"),
        (["ours"], 2, "missing option '--truth'"),
    ],
)
def test_wrong_usage(folders, arguments, status, message):
    before = (folders / "gt" / "a.mp4").read_bytes()
    code, _, err = dd_eval(*arguments)
    assert (code, message in err) == (status, True), err
    assert (folders / "gt" / "a.mp4").read_bytes() == before
