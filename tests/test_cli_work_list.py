"""dd-dub --batch: all videos of a list, past those that fail; its log, its shards, and what is up to date."""

import json
import os
import shutil
from pathlib import Path

import pytest
from studio import MODELS, call_in

from dd_tools.cli.work_list import read_items, shard_of
from dd_tools.errors import DataError, UsageError
from dd_tools.pipeline.dub import DubSettings
from dd_tools.pipeline.output import OutputSettings

HEADER = "video\taudio\toutput"


def dub_list(studio: Path, lines: list[str], options: str = ""):
    (studio / "list.tsv").write_text("\n".join(lines) + "\n")
    return call_in(studio, f"dd-dub --batch list.tsv {MODELS} -q {options}")


def entries(studio: Path) -> list[dict]:
    return [json.loads(line) for line in (studio / "log.jsonl").read_text().splitlines()]


def test_every_video_of_a_list_is_dubbed_with_its_options(studio, monkeypatch):
    loaded = []
    for name in ("load_renderer", "load_motion_model", "open_speech_model"):
        original = getattr(__import__("dd_tools.pipeline.dub", fromlist=["dub"]), name)
        monkeypatch.setattr(
            f"dd_tools.pipeline.dub.{name}",
            lambda *given, _original=original, _name=name, **named: loaded.append(_name) or _original(*given, **named),
        )
    lines = [
        f"{HEADER}\texpression\tcrop-only",
        "portrait.png\tvoice.wav\tout/a.mp4\t\t",
        "",
        "portrait.png\tvoice.wav\tout/b.mp4\t1.5\tyes",
    ]
    assert dub_list(studio, lines).status == 0
    assert sorted(loaded) == ["load_motion_model", "load_renderer", "open_speech_model"], "once for all"
    for name, options in (("a", ""), ("b", "--expression 1.5 --crop-only")):
        assert call_in(studio, f"dd-dub portrait.png voice.wav {MODELS} -q -o out/once.mp4 {options}").status == 0
        assert (studio / "out" / f"{name}.mp4").read_bytes() == (studio / "out" / "once.mp4").read_bytes()


def test_failures_are_passed_named_and_logged(studio):
    lines = [HEADER, "portrait.png\tmissing.wav\tout/a.mp4", "portrait.png\tvoice.wav\tout/b.mp4"]
    lines += ["voice.wav\tvoice.wav\tout/c.mp4"]
    outcome = dub_list(studio, lines, "--log log.jsonl")
    assert outcome.status == 1
    first, second, summary = outcome.errors.splitlines()
    assert first == "dd-dub: line 2: cannot read 'missing.wav': no such file"
    assert second.startswith("dd-dub: line 4: ") and "voice.wav" in second
    assert summary == "dd-dub: 2 of 3 videos failed: lines 2, 4"
    found = entries(studio)
    assert [(entry["line"], entry["status"]) for entry in found] == [(2, "failed"), (3, "done"), (4, "failed")]
    assert found[0]["error"] == "cannot read 'missing.wav': no such file" and "error" not in found[1]
    assert found[1]["output"] == "out/b.mp4" and found[1]["seconds"] > 0
    assert sorted(os.listdir(studio / "out")) == ["b.mp4"]


def test_what_is_up_to_date_is_skipped_on_resume(studio):
    lines = [HEADER, "portrait.png\tvoice.wav\tout/a.mp4", "portrait.png\tother.wav\tout/b.mp4"]
    shutil.copy(studio / "voice.wav", studio / "other.wav")
    assert dub_list(studio, lines).status == 0
    os.utime(studio / "other.wav")
    assert dub_list(studio, lines, "--log log.jsonl --resume").status == 0
    assert dub_list(studio, lines, "--log log.jsonl").status == 0
    assert [entry["status"] for entry in entries(studio)] == ["skipped", "done", "done", "done"]


def test_shards_share_the_list(studio):
    lines = [HEADER, *(f"portrait.png\tvoice.wav\tout/{name}.mp4" for name in "abc")]
    for shard in ("1/2", "2/2"):
        assert dub_list(studio, lines, f"--log log.jsonl --shard {shard}").status == 0
    assert [entry["line"] for entry in entries(studio)] == [2, 4, 3]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_item_is_in_one_shard(count):
    items = list(range(10))
    parts = [shard_of(items, f"{number}/{count}") for number in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/", "/2", "a/2", "-1/2", "1/2/3"])
def test_other_shards_are_refused(shard):
    with pytest.raises(UsageError, match="shard must be I/N"):
        shard_of([], shard)


def test_cells_are_options_and_empty_ones_the_defaults(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text(
        "output\tface\tvideo\taudio\tat\tquality\tlossless\tadapt\n"
        "o.mp4\t1\tv.mp4\ta.wav\t\t\tno\t\n"
        "p.mp4\t\tv.mp4\t/a.wav\t3,4\t20\tyes\t2.5\n"
    )
    defaults = DubSettings(references=5, output=OutputSettings(loop="hold"))
    first, second = read_items(path, defaults)
    assert (first.line, first.video, first.audio, first.output) == (
        2, tmp_path / "v.mp4", tmp_path / "a.wav", tmp_path / "o.mp4",
    )  # fmt: skip
    assert first.settings == DubSettings(references=5, face="1", output=OutputSettings(loop="hold"))
    assert second.audio == Path("/a.wav")
    assert second.settings == DubSettings(
        references=5, at=(3.0, 4.0), adapt_minutes=2.5, output=OutputSettings(loop="hold", quality=20, lossless=True)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column video, audio, output in its first line"),
        ("video\taudio\n", "no column output in its first line"),
        (f"{HEADER}\n", "no videos"),
        (f"{HEADER}\tvoice\n", "unknown column 'voice', expected references, expression"),
        (f"{HEADER}\nv\ta\n", "line 2: "),
        (f"{HEADER}\nv\ta\t\n", "line 2: output is empty"),
        (f"{HEADER}\tface\nv\ta\to\tall\n", "line 2: dd-dub dubs one face"),
        (f"{HEADER}\tloop\nv\ta\to\tswing\n", "line 2: unknown loop 'swing'"),
        (f"{HEADER}\treferences\nv\ta\to\t0\n", "line 2: references: 0 is below 1"),
        (f"{HEADER}\texpression\nv\ta\to\tnan\n", "line 2: expression: nan is below 0"),
        (f"{HEADER}\tlossless\nv\ta\to\t1\n", "line 2: lossless: '1' is neither yes nor no"),
        (f"{HEADER}\nv\ta\to\n\nw\tb\t./o\n", "lines 2 and 4 have the same output"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line_before_any_work(tmp_path, content, message):
    (tmp_path / "list.tsv").write_text(content)
    with pytest.raises(DataError) as caught:
        read_items(tmp_path / "list.tsv", DubSettings())
    assert str(caught.value).startswith(f"cannot use '{tmp_path / 'list.tsv'}': {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dd-dub portrait.png voice.wav", "expected VIDEO, AUDIO and --output, or --batch"),
        ("dd-dub -o x.mp4", "expected VIDEO, AUDIO and --output, or --batch"),
        ("dd-dub portrait.png --batch list.tsv", "--batch has the videos"),
        ("dd-dub portrait.png voice.wav -o x.mp4 --shard 1/2", "--shard and --log need --batch"),
    ],
)
def test_a_list_and_a_video_exclude_each_other(studio, line, message):
    outcome = call_in(studio, line)
    assert (outcome.status, outcome.errors.count("\n")) == (2, 1) and message in outcome.errors
