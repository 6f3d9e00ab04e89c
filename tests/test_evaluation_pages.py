"""The report's pages: their content, that they are self-contained, and that a browser plays them."""

import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_marked_face, dummy_voice
from PIL import Image

from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.report.charts import line_chart
from dd_tools.evaluation.report.clip_media import GAP, WORST, ClipMedia, error_colours
from dd_tools.evaluation.report.pages import write_pages
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.scores import ClipScores
from dd_tools.media.audio import has_audio
from dd_tools.media.video import read_frames

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
LABELS = (Label("psnr", "PSNR", "dB", Better.HIGHER, 2, ""), Label("jitter", "jitter", "", Better.NEAR_ONE, 2, ""))


def frames(count: int, spoilt: int = 2, fps: float = 25) -> list[FramePair]:
    """Pairs that differ, the one numbered `spoilt` the most."""
    pairs = []
    for index in range(count):
        landmarks = dummy_face_landmarks(opening=0.1 + 0.02 * (index % 5))
        truth = dummy_marked_face(opening=0.1 + 0.02 * (index % 5))
        generated = np.uint8(np.clip(truth + np.int16(90 if index == spoilt else 5 + index), 0, 255))
        pairs.append(FramePair(FaceFrame(truth, landmarks, index / fps), FaceFrame(generated, landmarks, index / fps)))
    return pairs


def show(folder: Path, name: str = "01-ours-a", count: int = 6, **options) -> ClipMedia:
    """The media of a clip of `count` frames."""
    with ClipMedia(folder, name, 25.0, options.pop("audio", None)) as media:
        for frame in frames(count, **options):
            media.add(frame)
    return media


def clip(system: str, psnr: float, jitter: float, generated: str | None = "x.mp4", **more) -> ClipScores:
    return ClipScores(system, "a<b", generated, "gt/a.mp4", 6, 0, 0, 0, {"psnr": psnr, "jitter": jitter}, **more)


@pytest.fixture
def folder(tmp_path):
    """A report on two systems and a baseline, one of them with a page."""
    (tmp_path / "clips").mkdir()
    clips = [
        clip("ours", 30.004, 1.3, faults=("no audio track",)),
        clip("theirs", 30.001, 0.9),
        clip("(truth)", 99, 1, None),
    ]
    media = show(tmp_path / "clips", audio=dummy_voice(tmp_path / "voice.wav"))
    (tmp_path / "voice.wav").unlink()
    write_pages(Report(LABELS, clips, ["no truth for 'b.mp4'"], "v:1"), ["no LSE"], {clips[0]: media}, tmp_path)
    return tmp_path


class Links(HTMLParser):
    """Collects what a page refers to, and checks that its elements are closed in order."""

    def __init__(self):
        super().__init__()
        self.found, self._open = [], []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "poster")]
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def close(self):
        super().close()
        assert not self._open


def links(page: Path) -> list[str]:
    parser = Links()
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    return parser.found


def test_every_link_leads_to_a_file_in_the_folder(folder):
    for page in (folder / "index.html", folder / "clips/01-ours-a.html"):
        assert links(page)
        for target in links(page):
            assert "://" not in target
            assert (page.parent / target).resolve().is_relative_to(folder)
            assert (page.parent / target).is_file(), target
        assert not re.search(r"@import|url\(|fetch\(|https?:", page.read_text(encoding="utf-8"))
    assert not list(folder.glob("**/.*"))


def test_the_value_nearest_to_the_truths_is_the_best(tmp_path):
    """The truth's own value, in the next column, is neither good nor bad."""
    labels = Label("lips", "lips", "%", Better.NEAR_TRUTH, 1, ""), Label("true", "true", "%", Better.REFERENCE, 1, "")
    values = {"a": (0.0, 2.0), "b": (2.9, 2.0), "c": (1.2, 2.0), "d": (math.nan, 2.0)}
    clips = [
        ClipScores(name, "x", f"{name}.mp4", "x.mp4", 6, 0, 0, 0, dict(zip(("lips", "true"), pair, strict=True)))
        for name, pair in values.items()
    ]
    (tmp_path / "clips").mkdir()
    write_pages(Report(labels, clips, [], "v:1"), [], {}, tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert set(re.findall(r'class="best">([^<]*)', text)) == {"1.2"}
    assert "lips →truth" in text


def test_the_index_names_everything_and_marks_the_best_printed_values(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "ours/a&lt;b" in text
    assert "PSNR ↑" in text
    assert "jitter →1" in text
    for line in ("no truth for &#39;b.mp4&#39;", "no LSE", "ours/a&lt;b: no audio track", "v:1"):
        assert line in text
    # 30.00 dB twice is a tie, 0.90 is nearer to 1 than 1.30, and the baseline does not compete.
    assert re.findall(r'class="best">([^<]*)', text) == ["0.90", "0.90"]


def test_names_are_escaped_and_charts_drawn(folder):
    text = (folder / "clips/01-ours-a.html").read_text(encoding="utf-8")
    assert "<h1>ours/a&lt;b</h1>" in text
    for page in folder.glob("**/*.html"):
        assert "a<b" not in page.read_text(encoding="utf-8")
    assert text.count('<svg class="chart"') == 2
    assert len(re.findall(r'<path class="curve (?:truth|generated)" d="M[\d. LM]+"/>', text)) == 3
    assert "[0.0, 0.04, 0.08, 0.12, 0.16, 0.2]" in text


def test_the_video_shows_truth_generated_and_error_with_audio(folder):
    path = folder / "clips/01-ours-a.mp4"
    shown, expected = list(read_frames(path)), frames(6)
    assert [frame.pts for frame in shown] == pytest.approx([index / 25 for index in range(6)])
    assert has_audio(path)
    for frame, pair in zip(shown, expected, strict=True):
        truth, generated = pair.resized
        width = truth.shape[1]
        assert frame.image.shape == (256, 3 * width + 2 * GAP, 3)
        assert np.abs(frame.image[:, :width].astype(int) - truth).mean() < 8
        assert np.abs(frame.image[:, width + GAP : 2 * width + GAP].astype(int) - generated).mean() < 8


def test_worst_frames_come_first_one_per_second(tmp_path):
    media = show(tmp_path, count=60, spoilt=30)
    media.save()
    assert [point.index for point, _ in media.worst] == [30, 59, 24]
    qualities = [point.psnr for point, _ in media.worst]
    assert qualities == sorted(qualities)
    strip = Image.open(tmp_path / media.worst[0][1])
    assert strip.size == (3 * 256 + 2 * GAP, 256)


def test_only_so_many_worst_frames_are_kept(tmp_path):
    media = show(tmp_path, count=12, fps=1, spoilt=0)
    media.save()
    assert [point.index for point, _ in media.worst] == [0, *range(11, 12 - WORST, -1)]


def test_a_clip_that_fails_leaves_no_video(tmp_path):
    with pytest.raises(KeyError), ClipMedia(tmp_path, "bad", 25.0, None) as media:
        media.add(frames(1)[0])
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_identical_videos_have_no_worst_frame(tmp_path):
    with ClipMedia(tmp_path, "same", 25.0, None) as media:
        for frame in frames(2):
            media.add(FramePair(frame.truth, frame.truth))
    media.save()
    assert media.worst == []


def test_error_colours_grow_brighter():
    brightness = error_colours(np.array([[0, 16, 32, 64, 200]], np.float32)).sum(-1)[0]
    assert (np.diff(brightness.astype(int)) >= 0).all()
    assert brightness[3] == brightness[4]


def test_curves_leave_gaps_and_are_subsampled():
    def path(times: np.ndarray, values: np.ndarray) -> str:
        [(name, drawn)] = line_chart(times, [("generated", values)], "px").curves
        assert name == "generated"
        return drawn

    times = np.arange(5) / 25
    assert path(times, np.array([1, 2, math.nan, 5, 5])) == "M44.0 128.0L268.0 98.5M716.0 10.0L940.0 10.0"
    assert line_chart(times, [("generated", np.full(5, math.nan))], "px") is None
    assert line_chart(times[:1], [("generated", np.ones(1))], "px") is None
    assert path(times, np.ones(5)).startswith("M")
    assert len(path(np.arange(90000) / 25, np.random.default_rng(0).normal(size=90000))) < 30000


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
def test_a_browser_shows_the_clip_from_disk(folder):
    def dump(page: str) -> str:
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=8000", "--dump-dom",
            f"file://{folder / page}",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    assert 'href="clips/01-ours-a.html"' in dump("index.html")
    # The script writes this once the video has loaded its metadata, so both were loaded and work.
    assert "frame 1 of 6 · 0.00 s" in dump("clips/01-ours-a.html")
