"""Names of any characters in the table, JSON, CSV, Markdown, web pages and contact sheet of dd-eval."""

import csv
import itertools
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from commands import call
from factories import DummyDetector, dummy_lossless_video, dummy_marked_face
from odd_names import NAMES

from dd_tools.cli.table import print_table
from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.pairs import VideoPair, match_pairs
from dd_tools.evaluation.report.contact_sheet import MouthRows, write_contact_sheet
from dd_tools.evaluation.report.export import write_csv, write_json, write_markdown
from dd_tools.evaluation.report.pages import write_pages
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.report.table import table
from dd_tools.evaluation.scores import ClipScores

UTF8 = [name for name in NAMES if "\udcfc" not in name]
LABEL = Label("psnr", "PSNR", "dB", Better.HIGHER, 2, "")


@pytest.fixture
def reported(tmp_path):
    """A report on one clip for every name; the system has the last one."""
    system = "M\udcfcller"
    clips = [
        ClipScores(system, name, f"{system}/{name}.mp4", f"gt/{name}.mp4", 6, 0, 0, 0, {"psnr": 30.0}) for name in NAMES
    ]
    return Report([LABEL], clips, [f"no truth for '{system}'"], "signature")


class Cells(HTMLParser):
    """The texts of the first cells of all table rows."""

    def __init__(self):
        super().__init__()
        self.texts, self._row = [], -1

    def handle_starttag(self, tag, attributes):
        if tag in ("tr", "td"):
            self._row = 0 if tag == "tr" else self._row + 1
            if self._row == 1:
                self.texts.append("")

    def handle_endtag(self, tag):
        self._row = -1 if tag == "td" and self._row == 1 else self._row

    def handle_data(self, data):
        if self._row == 1:
            self.texts[-1] += data


def test_json_has_the_names_themselves(reported, tmp_path):
    write_json(reported, tmp_path / "r.json")
    clips = json.loads((tmp_path / "r.json").read_text("utf-8"))["clips"]
    assert [(one["clip"], one["generated"]) for one in clips] == [(name, f"M\udcfcller/{name}.mp4") for name in NAMES]


def test_csv_markdown_and_table_have_a_line_for_every_name(reported, tmp_path, capsys):
    write_csv(reported, tmp_path / "r.csv")
    lines = (tmp_path / "r.csv").read_text("utf-8").split("\n")
    rows = list(csv.DictReader(lines))
    assert len(lines) == 1 + len(NAMES) + 1 + 1
    assert [(one["system"], one["clip"]) for one in rows[:-1]] == [(r"M\udcfcller", text) for text in NAMES.values()]
    write_markdown(reported, tmp_path / "r.md")
    print_table(*table(reported))
    for text in ((tmp_path / "r.md").read_text("utf-8"), capsys.readouterr().out):
        first = [
            line.removeprefix("|").strip().split(r"M\udcfcller/")[-1]
            for line in text.split("\n")
            if " 30.00 " in line and "mean of" not in line
        ]
        assert len(first) == len(NAMES)
        for found, expected in zip(first, NAMES.values(), strict=True):
            assert found.startswith(expected + " ")


def test_pages_show_every_name(reported, tmp_path):
    write_pages(reported, [], {}, tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8")
    cells = Cells()
    cells.feed(page)
    assert [text for text in cells.texts if "/" in text] == [rf"M\udcfcller/{text}" for text in NAMES.values()]
    assert r"no truth for &#39;M\udcfcller&#39;" in page


def test_a_contact_sheet_has_rows_of_any_name(tmp_path):
    mouths = MouthRows()
    mouths._kept = [np.zeros((144, 96, 3), np.uint8)]
    pairs = {VideoPair(name, name, tmp_path, tmp_path): mouths for name in NAMES}
    write_contact_sheet(pairs, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").exists()


def test_a_list_of_pairs_may_have_names_of_any_bytes(tmp_path):
    (tmp_path / "pairs.tsv").write_bytes(b'M\xfcller.mp4\tg t/\xe2\x80\xa8"a.mp4\r\n')
    (pair,) = match_pairs([tmp_path / "pairs.tsv"], []).pairs
    assert (pair.generated, pair.truth) == (tmp_path / "M\udcfcller.mp4", tmp_path / 'g t/\u2028"a.mp4')


def test_videos_of_any_name_are_scored_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("dd_tools.face.detectors.registry.open_detector", lambda name, **options: DummyDetector())
    video = dummy_lossless_video(tmp_path / "video.mp4", [dummy_marked_face(opening) for opening in (0.10, 0.35, 0.2)])
    monkeypatch.chdir(tmp_path)
    names = {name: NAMES[name] for name in UTF8} | {"n" * 251: "n" * 251}  # the last is as long as can be
    systems = ["[bold] x\ny", "gt"]
    for system in systems:
        (tmp_path / system).mkdir()
        for name in names:
            shutil.copy(video, tmp_path / system / f"{name}.mp4")
    video.unlink()
    outcome = call("dd-eval", systems[0], "--truth", "gt", "--html", "pages", "--json", "r.json")
    assert outcome.errors.endswith("dd-eval: 13 of 13 videos only partly scored\n")  # for lack of audio
    assert all(line.startswith("dd-eval: ") for line in outcome.errors.split("\n")[:-1])
    clips = json.loads((tmp_path / "r.json").read_text("utf-8"))["clips"]
    assert {one["generated"] for one in clips} == {f"{systems[0]}/{name}.mp4" for name in names}
    for spelling in names.values():
        assert rf"[bold] x\ny/{spelling} " in outcome.output
    links = re.findall(r'href="(clips/[^"]*)"', (tmp_path / "pages/index.html").read_text("utf-8"))
    assert len(links) == len(names) and all((tmp_path / "pages" / link).exists() for link in links)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*systems, "pages", "r.json"])


@pytest.mark.parametrize(
    ("words", "truths"),
    [
        (["--truth", "-x.mp4", "b.mp4", "-q"], ["-x.mp4", "b.mp4"]),
        (["--truth", "a.mp4", "--", "-x.mp4", "--truth"], ["a.mp4"]),
    ],
)
def test_truths_may_begin_with_a_dash(words, truths):
    from dd_tools.cli.eval import repeat_option

    repeated = repeat_option(words, "--truth")
    end = repeated.index("--") if "--" in repeated else len(repeated)
    assert [value for option, value in itertools.pairwise(repeated[:end]) if option == "--truth"] == truths
    assert repeated[end:] == words[words.index("--") if "--" in words else len(words) :]
