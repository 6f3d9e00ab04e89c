"""The report's pages: what they show, that they need nothing from elsewhere, and that a browser plays them."""

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

from dd_tools.evaluation.charts import line_chart
from dd_tools.evaluation.exhibits import GAP, WORST, Exhibits, error_map
from dd_tools.evaluation.frames import FramePair, Picture
from dd_tools.evaluation.measure import Better, Label
from dd_tools.evaluation.pages import write_pages
from dd_tools.evaluation.report import Report
from dd_tools.evaluation.scores import ClipScores
from dd_tools.media.audio import has_audio
from dd_tools.media.video import read_frames

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
LABELS = (Label("psnr", "PSNR", "dB", Better.HIGHER, 2, ""), Label("jitter", "jitter", "", Better.NEAR_ONE, 2, ""))


def frames(count: int, spoilt: int = 2, fps: float = 25) -> list[FramePair]:
    """Pairs that differ, the one numbered `spoilt` the most."""
    made = []
    for index in range(count):
        landmarks = dummy_face_landmarks(opening=0.1 + 0.02 * (index % 5))
        truth = dummy_marked_face(opening=0.1 + 0.02 * (index % 5))
        generated = np.uint8(np.clip(truth + np.int16(90 if index == spoilt else 5 + index), 0, 255))
        made.append(FramePair(Picture(truth, landmarks, index / fps), Picture(generated, landmarks, index / fps)))
    return made


def show(folder: Path, name: str = "01-ours-a", count: int = 6, **options) -> Exhibits:
    """Exhibits of a clip of `count` frames."""
    with Exhibits(folder, name, 25.0, options.pop("sound", None)) as exhibits:
        for frame in frames(count, **options):
            exhibits.add(frame)
    return exhibits


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
    exhibits = show(tmp_path / "clips", sound=dummy_voice(tmp_path / "voice.wav"))
    (tmp_path / "voice.wav").unlink()
    write_pages(Report(LABELS, clips, ["no truth for 'b.mp4'"], "v:1"), ["no LSE"], {clips[0]: exhibits}, tmp_path)
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


def test_every_link_stays_in_the_folder_and_leads_somewhere(folder):
    for page in (folder / "index.html", folder / "clips/01-ours-a.html"):
        assert links(page)
        for target in links(page):
            assert "://" not in target
            assert (page.parent / target).resolve().is_relative_to(folder)
            assert (page.parent / target).is_file(), target
        assert not re.search(r"@import|url\(|fetch\(|https?:", page.read_text(encoding="utf-8"))
    assert not list(folder.glob("**/.*"))


def test_the_index_names_everything_and_marks_the_best_as_printed(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "ours/a&lt;b" in text
    assert "PSNR ↑" in text
    assert "jitter →1" in text
    for line in ("no truth for &#x27;b.mp4&#x27;", "no LSE", "ours/a&lt;b: no audio track", "v:1"):
        assert line in text
    # 30.00 dB twice is no victory, 0.90 is nearer to 1 than 1.30, and the truth itself is no rival.
    assert re.findall(r'class="best">([^<]*)', text) == ["0.90", "0.90"]


def test_the_video_shows_truth_generated_and_error_in_step_with_sound(folder):
    path = folder / "clips/01-ours-a.mp4"
    shown, expected = list(read_frames(path)), frames(6)
    assert [frame.pts for frame in shown] == pytest.approx([index / 25 for index in range(6)])
    assert has_audio(path)
    for frame, pair in zip(shown, expected, strict=True):
        truth, generated = pair.whole
        width = truth.shape[1]
        assert frame.image.shape == (256, 3 * width + 2 * GAP, 3)
        assert np.abs(frame.image[:, :width].astype(int) - truth).mean() < 8
        assert np.abs(frame.image[:, width + GAP : 2 * width + GAP].astype(int) - generated).mean() < 8


def test_worst_frames_come_first_one_of_a_second(tmp_path):
    exhibits = show(tmp_path, count=60, spoilt=30)
    exhibits.save()
    assert [moment.number for moment, _ in exhibits.worst] == [30, 59, 24]
    qualities = [moment.psnr for moment, _ in exhibits.worst]
    assert qualities == sorted(qualities)
    picture = Image.open(tmp_path / exhibits.worst[0][1])
    assert picture.size == (3 * 256 + 2 * GAP, 256)


def test_only_so_many_worst_frames_are_kept(tmp_path):
    exhibits = show(tmp_path, count=12, fps=1, spoilt=0)
    exhibits.save()
    assert [moment.number for moment, _ in exhibits.worst] == [0, *range(11, 12 - WORST, -1)]


def test_a_clip_that_fails_leaves_no_video(tmp_path):
    with pytest.raises(KeyError), Exhibits(tmp_path, "bad", 25.0, None) as exhibits:
        exhibits.add(frames(1)[0])
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_identical_videos_have_no_worst_frame(tmp_path):
    with Exhibits(tmp_path, "same", 25.0, None) as exhibits:
        for frame in frames(2):
            exhibits.add(FramePair(frame.truth, frame.truth))
    exhibits.save()
    assert exhibits.worst == []


def test_error_colours_grow_brighter():
    brightness = error_map(np.array([[0, 16, 32, 64, 200]], np.float32)).sum(-1)[0]
    assert (np.diff(brightness.astype(int)) >= 0).all()
    assert brightness[3] == brightness[4]


def test_curves_leave_gaps_and_are_thinned():
    times = np.arange(5) / 25
    drawn = line_chart(times, [("made", np.array([1, 2, math.nan, 4, 5]))], "px")
    assert re.search(r'class="curve made" d="M[\d. ]+L[\d. ]+M[\d. ]+L[\d. ]+"', drawn)
    assert line_chart(times, [("made", np.full(5, math.nan))], "px") == ""
    assert line_chart(times[:1], [("made", np.ones(1))], "px") == ""
    assert 'd="M' in line_chart(times, [("made", np.ones(5))], "px")
    long = line_chart(np.arange(90000) / 25, [("made", np.random.default_rng(0).normal(size=90000))], "px")
    assert len(long) < 30000


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
    # The script writes this once the video has told its length, so both were loaded and work.
    assert "frame 1 of 6 · 0.00 s" in dump("clips/01-ours-a.html")
