"""dd-dub --batch: all videos of a list, past those that fail; its log, its shards, and what is up to date."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from studio import MODELS, call_in

from dd_tools.cli import work_list
from dd_tools.cli.session import Session
from dd_tools.cli.work_list import Item, ItemLog, shard_of
from dd_tools.errors import DataError, UsageError
from dd_tools.formats.locking import output_lock
from dd_tools.pipeline import dubbing_models, preparation
from dd_tools.pipeline.dub_settings import DubSettings
from dd_tools.reporting import SILENT
from dd_tools.stopping import Stopped

HEADER = "video\taudio\toutput"
IO_COUNTS = Path("/proc/self/io")


def dub_list(studio: Path, lines: list[str], options: str = ""):
    (studio / "list.tsv").write_text("\n".join(lines) + "\n")
    return call_in(studio, f"dd-dub --batch list.tsv {MODELS} -q {options}")


def entries(studio: Path) -> list[dict]:
    return [json.loads(line) for line in (studio / "log.jsonl").read_text().splitlines()]


def test_every_video_of_a_list_is_dubbed_with_its_options(studio, monkeypatch):
    loaded = []
    for name in ("load_renderer", "load_motion_model", "open_speech_model"):
        original = getattr(dubbing_models, name)
        monkeypatch.setattr(
            f"dd_tools.pipeline.dubbing_models.{name}",
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


def test_names_with_a_leading_dash_are_files(studio):
    (studio / "portrait.png").rename(studio / "-p.png")
    assert dub_list(studio, [HEADER, "-p.png\tvoice.wav\t-x.mp4"]).status == 0
    assert (studio / "-x.mp4").exists()


def test_a_video_that_another_process_writes_fails_and_the_others_do_not(studio):
    lines = [HEADER, *(f"portrait.png\tvoice.wav\tout/{name}.mp4" for name in "ab")]
    with output_lock(studio / "out" / "a.mp4", SILENT):
        outcome = dub_list(studio, lines, "--log log.jsonl")
    assert outcome.errors.splitlines()[0] == "dd-dub: line 2: cannot write 'out/a.mp4': another process is writing it"
    assert [entry["status"] for entry in entries(studio)] == ["failed", "done"]
    assert os.listdir(studio / "out") == ["b.mp4"]


def test_a_killed_list_is_resumed_where_it_was(studio, monkeypatch):
    lines = [HEADER, *(f"portrait.png\tvoice.wav\tout/{name}.mp4" for name in "abc")]
    (studio / "list.tsv").write_text("\n".join(lines))
    options = f"--batch list.tsv --log log.jsonl {MODELS}"
    program = f"""if True:
        import os, signal, dd_tools.pipeline.dub as dub
        from commands import call
        paint, calls = dub.write_video, []
        def paint_once(*given, **named):
            calls.append(given) or len(calls) == 2 and os.kill(os.getpid(), signal.SIGKILL)
            paint(*given, **named)
        dub.write_video = paint_once
        call("dd-dub", *{options.split()!r})
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    killed = subprocess.run([sys.executable, "-c", program], cwd=studio, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert (studio / "out" / "b.mp4.parts" / "clip.h5.sha256").exists()
    prepared = []
    original = preparation.prepare_clip
    monkeypatch.setattr(
        preparation, "prepare_clip", lambda *given, **named: prepared.append(given) or original(*given, **named)
    )
    assert call_in(studio, f"dd-dub {options} --resume").status == 0
    assert [(entry["line"], entry["status"]) for entry in entries(studio)] == [
        (2, "done"), (2, "skipped"), (3, "done"), (4, "done"),
    ]  # fmt: skip
    assert len(prepared) == 1, "the clip of line 3 was finished"
    assert sorted(os.listdir(studio / "out")) == ["a.mp4", "b.mp4", "c.mp4"]


def written_times() -> int:
    """How often this process has called write(2)."""
    return int(IO_COUNTS.read_text().split("syscw: ")[1].split()[0])


@pytest.mark.skipif(not IO_COUNTS.exists(), reason="needs Linux")
def test_a_line_of_the_log_is_one_write(tmp_path):
    """So that lines of several processes do not mix, however long they are."""
    log = ItemLog(tmp_path / "log.jsonl")
    for length in (1, 30_000):
        before = written_times()
        with log.record(Item(2, Path("v"), Path("a"), Path("o" * length), DubSettings())):
            pass
        assert written_times() == before + 1
    assert [len(entry["output"]) for entry in entries(tmp_path)] == [1, 30_000]


@pytest.mark.skipif(not IO_COUNTS.exists(), reason="needs Linux")
def test_a_line_of_the_log_that_is_written_in_part_is_an_error(tmp_path):
    log, (soft, hard) = ItemLog(tmp_path / "log.jsonl"), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(DataError) as caught, log.record(Item(2, Path("v"), Path("a"), Path("o"), DubSettings())):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value) == f"cannot write '{tmp_path / 'log.jsonl'}': no space left for the end of a line"
    assert (tmp_path / "log.jsonl").stat().st_size == 20


@pytest.mark.parametrize(
    ("end", "raised", "message"),
    [
        (None, DataError, "cannot write '{log}': is a directory"),
        (DataError("no face"), DataError, "cannot write '{log}': is a directory"),
        (Stopped(signal.SIGTERM), Stopped, "SIGTERM"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
        (MemoryError("too large"), MemoryError, "too large"),
    ],
)
def test_a_log_that_cannot_be_written_ends_the_list_and_hides_no_stop(tmp_path, end, raised, message):
    """The first video of a list takes the log away; it is no failure of that video."""
    log, report, dubbed = tmp_path / "log.jsonl", Session("dd-dub"), []

    class Taking:
        def dub(self, video, audio, output, settings, **_):
            dubbed.append(output.name)
            log.unlink()
            log.mkdir()
            if end:
                raise end

    items = [Item(line, tmp_path / "v", tmp_path / "a", tmp_path / str(line), DubSettings()) for line in (2, 3)]
    with pytest.raises(raised) as caught:
        work_list.dub_list(report, items, Taking(), [], log, resume=False)
    assert type(caught.value) is raised and str(caught.value) == message.format(log=log)
    assert dubbed == ["2"] and report.failures == isinstance(end, DataError)


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
