"""dd-eval from the command line: pairs, files, exit statuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import Outcome, call
from factories import DummyDetector, dummy_lossless_video, dummy_marked_face, dummy_voice
from PIL import Image

from dd_tools.cli.eval import repeat_option
from dd_tools.cli.table import columns_that_fit
from dd_tools.errors import DataError
from dd_tools.media.joining import AudioTrack, join
from dd_tools.media.rates import exact_rate

TALKING = [dummy_marked_face(opening) for opening in (0.10, 0.35, 0.20)]
OTHERWISE = [dummy_marked_face(opening) for opening in (0.15, 0.30, 0.40)]


def video_with_audio(path: Path, frames: list[np.ndarray]) -> Path:
    """A video that decodes to exactly these frames, with an audio track."""
    silent, audio = path.with_name("silent.mp4"), dummy_voice(path.with_name("audio.wav"))
    seconds = len(frames) / 25
    join([(dummy_lossless_video(silent, frames), 0.0)], path, exact_rate(25), audio=AudioTrack(audio), seconds=seconds)
    for file in (silent, audio):
        file.unlink()
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A generated and a true video."""
    folder = tmp_path_factory.mktemp("videos")
    return video_with_audio(folder / "ours.mp4", OTHERWISE), video_with_audio(folder / "gt.mp4", TALKING)


@pytest.fixture
def folders(videos, tmp_path, monkeypatch):
    """Folders ``ours`` and ``gt`` with the clips a and b in each."""
    monkeypatch.setattr("dd_tools.face.detectors.registry.open_detector", lambda name, **options: DummyDetector())
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "cache"))
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
    assert out.splitlines()[3].split() == [
        "gt/a",
        "3",
        "0",
        "inf",
        "1.000",
        "–",
        "0.00",
        "0.00",
        "–",
        "–",
        "–",
        "1.000",
        "1.00",
        "–",
        "–",
        "–",
        "–",
        "11.7",
        "11.7",
        "–",
        "–",
        "–",
        "–",
        "1.00",
        "0.7",
        "1.00",
        "1.00",
        "0.00",
    ]


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
def test_repeat_option(given, parsed):
    assert repeat_option(given.split(), "--truth") == parsed.split()


@pytest.mark.parametrize(
    ("width", "groups"),
    [(80, [[0, 1, 2, 3]]), (28, [[0, 1, 2], [0, 3]]), (27, [[0, 1], [0, 2, 3]]), (1, [[0, 1], [0, 2], [0, 3]])],
)
def test_a_table_too_wide_continues_below(width, groups):
    assert columns_that_fit([["name", "a" * 6, "b" * 6, "c" * 4], ["longer", "1", "2", "3"]], width) == groups


@pytest.mark.parametrize("width", [60, 80, 100, 133, 1000])
def test_no_heading_is_cut(folders, monkeypatch, width):
    monkeypatch.setattr("dd_tools.cli.table.WIDE", width)
    _, out, _ = dd_eval("ours", "--truth", "gt", "-q")
    assert "…" not in out
    for heading in ("PSNR ↑ dB", "silent lips →truth %", "silent lips of truth %", "outside ↓ grey levels"):
        assert heading in out


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
    assert faceless == "dd-eval: no face found in any of the 3 frames of 'gt/c.mp4'"
    assert count == "dd-eval: 2 of 3 videos not scored"


def test_nothing_to_compare_writes_nothing(folders):
    for path in (folders / "ours").iterdir():
        path.rename(path.with_stem("other" + path.stem))
    status, out, err = dd_eval("ours", "--truth", "gt", "--json", "r.json")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "dd-eval: 4 of 4 videos not scored"
    assert not (folders / "r.json").exists()


def test_missed_faces_are_reported(folders):
    video_with_audio(folders / "ours" / "a.mp4", [*OTHERWISE[:2], dummy_marked_face(opening=0)])
    status, _, err = dd_eval("ours", "--truth", "gt")
    assert status == 0
    expected = "dd-eval: no face found in 1 of 3 frames of 'ours/a.mp4': measures that need a face skip them"
    assert expected in err.splitlines()


def test_a_single_frame_is_scored_and_a_failure(folders):
    video_with_audio(folders / "ours" / "a.mp4", OTHERWISE[:1])
    video_with_audio(folders / "gt" / "a.mp4", TALKING[:1])
    status, out, err = dd_eval("ours", "--truth", "gt", "-q")
    assert (status, err.splitlines()) == (
        1,
        [
            "dd-eval: 'ours/a.mp4': cannot measure motion: only one frame",
            "dd-eval: 1 of 2 videos only partly scored",
        ],
    )
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


def test_measures_without_weights_are_skipped(folders):
    status, out, err = dd_eval("ours/a.mp4", "--truth", "gt/a.mp4")
    assert (status, "–" in out) == (0, True)
    lines = err.splitlines()
    assert any(line.startswith("dd-eval: LPIPS skipped: no AlexNet weights found; use --lpips alex") for line in lines)
    assert any(
        line.startswith("dd-eval: LSE skipped: download SyncNet's weights (http://www.robots.ox.ac.uk")
        for line in lines
    )


def test_a_list_of_pairs(folders):
    (folders / "pairs.tsv").write_text("ours/a.mp4\tgt/a.mp4\nours/gone.mp4\tgt/b.mp4\n")
    status, out, err = dd_eval("pairs.tsv", "-q")
    assert (status, "ours/a" in out) == (1, True)
    assert err.splitlines() == [
        "dd-eval: cannot read 'ours/gone.mp4': no such file", "dd-eval: 1 of 2 videos not scored",
    ]  # fmt: skip


def test_no_audio_track_is_a_failure_and_the_frames_are_scored(folders):
    dummy_lossless_video(folders / "ours" / "a.mp4", OTHERWISE)
    status, out, err = dd_eval("ours", "--truth", "gt", "-q")
    assert (status, "mean of 2" in out) == (1, True)
    assert err.splitlines() == [
        "dd-eval: 'ours/a.mp4': cannot measure lip sync: no audio track",
        "dd-eval: 1 of 2 videos only partly scored",
    ]


def test_pages(folders):
    assert dd_eval("ours", "--truth", "gt", "--html", "report", "--baseline", "-q").status == 0
    assert dd_eval("ours", "--truth", "gt", "--html", "report", "--baseline", "-q").status == 0  # over the old one
    found = {path.relative_to("report").as_posix() for path in Path("report").glob("**/*") if path.is_file()}
    assert found == {"index.html"} | {
        f"clips/{name}{part}"
        for name in ("01-ours-a", "02-ours-b")
        for part in (".html", ".mp4", "-error.jpg", "-worst1.jpg")
    }


def test_a_video_that_fails_leaves_no_page(folders):
    video_with_audio(folders / "gt" / "a.mp4", TALKING * 2)
    assert dd_eval("ours", "--truth", "gt", "--html", "report", "-q").status == 1
    assert sorted(path.suffix for path in Path("report/clips").iterdir()) == [".html", ".jpg", ".jpg", ".mp4"]


def test_a_video_whose_page_cannot_be_written_counts_once(folders, monkeypatch):
    def fail(media, *_):
        raise DataError("cannot write 'report/clips': no space left on device")

    monkeypatch.setattr("dd_tools.evaluation.report.clip_media.ClipMedia.__exit__", fail)
    outcome = dd_eval("ours/a.mp4", "--truth", "gt/a.mp4", "--html", "report", "--json", "r.json", "-q")
    assert outcome.status == 1 and "1 of 1 videos not scored" in outcome.errors
    assert not Path("r.json").exists(), "nothing was scored"


def test_other_framings_are_refused_or_registered(folders):
    video_with_audio(folders / "ours" / "a.mp4", [dummy_marked_face(opening, right=15) for opening in (0.1, 0.35, 0.2)])
    refused = dd_eval("ours/a.mp4", "--truth", "gt/a.mp4", "-q")
    assert (refused.status, "or use --register to align the faces" in refused.errors) == (1, True)
    status, out, err = dd_eval("ours", "--truth", "gt", "--register", "--json", "r.json")
    assert (status, "ours/a (registered)" in out, "ours/b (registered)" in out) == (0, True, False)
    assert "'ours/a.mp4' is framed differently from its truth and was registered" in err
    assert [clip["registered"] for clip in json.loads((folders / "r.json").read_text())["clips"]] == [True, False]


def test_networks_from_files(folders, monkeypatch):
    from dd_tools.evaluation.measures import inception
    from dd_tools.evaluation.measures.sync import syncnet
    from dd_tools.nn import lpips

    class Network:
        sha256, is_public, net, fingerprint = "0" * 64, False, "test", "12345678"

        def __init__(self, *arguments):
            pass

        def distances(self, truth, generated, inside):
            return np.full(len(truth), 0.25)

        def features(self, frames):
            return frames.mean((1, 2))

    monkeypatch.setattr(lpips, "Lpips", Network)
    monkeypatch.setattr(syncnet, "SyncExpert", Network)
    monkeypatch.setattr(inception, "Inception", Network)
    options = ("--lpips-trunk", "a", "--syncnet", "b", "--sync-crop", "lrs", "--fid", "c", "--json", "r.json")
    status, out, err = dd_eval("ours", "--truth", "gt", *options)
    report = json.loads((folders / "r.json").read_text())
    assert report["systems"][0]["lpips"]["mean"] == 0.25
    assert report["systems"][0]["fid"]["mean"] > 0
    assert "fid" not in report["clips"][0]
    assert "|fid:torchvision-inception-v3-12345678," in report["signature"]
    assert "|lse_d:syncnet-00000000-unknown,lrs-whole-frame,25fps,shifts-15|" in report["signature"]
    assert "FID ↓" in out
    assert "'b' does not hold SyncNet's public weights" in err
    # Three frames are too few for a window, which is an error.
    assert status == 1
    assert "'ours/a.mp4': too short for LSE: fewer than 6 frames (0.24 s) with audio" in err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ours", "--truth", "gt", "--region", "nose"], 2, "unknown region 'nose', expected lower-face, mask, full"),
        (["ours", "--truth", "nowhere"], 1, "cannot read 'nowhere': no such file or folder"),
        (["ours", "--truth", "gt", "--json", "no/r.json"], 1, "cannot write 'no/r.json': folder 'no' does not exist"),
        (["ours", "--truth", "gt", "--csv", "gt/a.mp4"], 2, "'gt/a.mp4' is both input and output"),
        (["--truth", "gt", "ours"], 2, "missing argument"),
        (["ours"], 2, "missing option '--truth'"),
        (["ours", "--truth", "gt", "--lpips", "best"], 2, "unknown LPIPS net 'best', expected alex, vgg"),
        (["ours", "--truth", "gt", "--sync-crop", "best"], 2, "unknown sync crop 'best', expected real, lrs"),
        (["ours", "--truth", "gt", "--syncnet", "no.model"], 1, "cannot read 'no.model': no such file"),
        (["ours", "--truth", "gt", "--lpips-trunk", "gt/a.mp4"], 1, "cannot read 'gt/a.mp4': "),
        (["ours", "--truth", "gt", "--html", "gt/a.mp4"], 1, "cannot write to 'gt/a.mp4': "),
    ],
)
def test_wrong_usage(folders, arguments, status, message):
    before = (folders / "gt" / "a.mp4").read_bytes()
    code, _, err = dd_eval(*arguments)
    assert (code, message in err) == (status, True), err
    assert (folders / "gt" / "a.mp4").read_bytes() == before


def test_videos_that_are_not_good_enough_are_rejected(folders):
    good = dd_eval("ours", "--truth", "gt", "--fail-if", "psnr<1", "--fail-if", "frames_per_second>1", "-q")
    assert (good.status, "'frames_per_second' is not measured" in good.errors) == (2, True)
    assert dd_eval("ours", "--truth", "gt", "--fail-if", "psnr<1", "--fail-if", "outside_error>200").status == 0
    video_with_audio(folders / "ours" / "b.mp4", [dummy_marked_face(opening) for opening in (0.1, 0.3, 0.2)])
    first, second = (clip["psnr"] for clip in scores("ours", "--truth", "gt"))
    assert first != second
    worse, between = "ab"[second < first], (first + second) / 2
    outcome = dd_eval("ours", "--truth", "gt", "--fail-if", f"psnr<{between}", "--json", "r.json", "-q")
    assert outcome.status == 1
    assert outcome.errors.splitlines() == [
        f"dd-eval: 'ours/{worse}.mp4' is rejected: psnr<{between:g} ({min(first, second):.4g})",
        "dd-eval: 1 of 2 videos rejected",
    ]
    rejected = {clip["clip"]: clip["rejected"] for clip in json.loads(Path("r.json").read_text())["clips"]}
    assert [name for name, reasons in rejected.items() if reasons] == [worse]


def scores(*arguments: str) -> list[dict]:
    assert dd_eval(*arguments, "--json", "scores.json", "-q").status == 0
    return json.loads(Path("scores.json").read_text())["clips"]
