"""The lists of dd-dub --batch: columns are options of a command line, and faults are found before any work."""

import os
from pathlib import Path

import pytest
import typer
from commands import options
from studio import MODELS, call_in

from dd_tools.cli.dub_options import DubOptions
from dd_tools.cli.work_list import Item, read_items
from dd_tools.errors import DataError, UsageError
from dd_tools.pipeline.dub_settings import DubSettings
from dd_tools.pipeline.output import OutputSettings

HEADER = "video\taudio\toutput"
DEFAULTS = DubOptions()


def read(folder: Path, content: str | bytes, defaults: DubOptions = DEFAULTS) -> list[Item]:
    path = folder / "list.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_items(path, defaults, pytest.fail)


def only_row(folder: Path, column: str, text: str, defaults: DubOptions = DEFAULTS) -> DubSettings:
    (item,) = read(folder, f"{HEADER}\t{column}\nv.mp4\ta.wav\to.mp4\t{text}\n", defaults)
    return item.settings


def test_paths_are_relative_to_the_list_and_columns_in_any_order(tmp_path):
    first, second = read(tmp_path, "output\tseed\tvideo\taudio\no.mp4\t\tv.mp4\ta.wav\n-p.mp4\t3\t../-v.mp4\t/a.wav\n")
    assert (first.line, first.video, first.audio, first.output) == (
        2, tmp_path / "v.mp4", tmp_path / "a.wav", tmp_path / "o.mp4",
    )  # fmt: skip
    assert (second.line, second.video, second.audio, second.output) == (
        3, tmp_path / ".." / "-v.mp4", Path("/a.wav"), tmp_path / "-p.mp4",
    )  # fmt: skip
    assert first.settings == DubSettings(output=OutputSettings(metadata={}))
    assert second.settings == DubSettings(seed=3, output=OutputSettings(metadata={}))


OF_ONE_VIDEO = [
    ("references", "1", {"references": 1}),
    ("expression", "5", {"expression": 5.0}),
    ("adapt", "2.5", {"adapt_minutes": 2.5}),
    ("face", "0", {"face": "0"}),
    ("at", "-5,3.5", {"at": (-5.0, 3.5)}),
    ("deinterlace", "yes", {"deinterlace": True}),
    ("steps", "1000", {"steps": 1000}),
    ("solver", "unipc", {"solver": "unipc"}),
    ("seed", "9223372036854775807", {"seed": 2**63 - 1}),
]
OF_THE_OUTPUT = [
    ("loop", "bounce", {"loop": "bounce"}),
    ("tail", "cut", {"tail": "cut"}),
    ("crop-only", "yes", {"crop_only": True}),
    ("codec", "av1", {"codec": "av1"}),
    ("quality", "63", {"quality": 63}),
    ("pixel-format", "yuv444p10le", {"pixel_format": "yuv444p10le"}),
    ("lossless", "yes", {"lossless": True}),
    ("lossless", "no", {"lossless": False}),
    ("audio-channel", "2", {"audio_channel": 2}),
    ("metadata", "title=--a = b", {"metadata": {"title": "--a = b"}}),
]


@pytest.mark.parametrize(("column", "text", "changed"), OF_ONE_VIDEO)
def test_columns_of_the_dubbing(tmp_path, column, text, changed):
    assert only_row(tmp_path, column, text) == DubSettings(**changed, output=OutputSettings(metadata={}))


@pytest.mark.parametrize(("column", "text", "changed"), OF_THE_OUTPUT)
def test_columns_of_the_output(tmp_path, column, text, changed):
    assert only_row(tmp_path, column, text) == DubSettings(output=OutputSettings(**{"metadata": {}} | changed))


def test_one_parser_reads_all_rows(tmp_path, monkeypatch):
    """To build one takes milliseconds, for every row of a long list."""
    built, original = [], typer.Typer
    monkeypatch.setattr(typer, "Typer", lambda **options: built.append(options) or original(**options))
    rows = "".join(f"v\ta\t{number}.mp4\t{number}\n" for number in range(9))
    items = read(tmp_path, f"{HEADER}\tseed\n{rows}")
    assert [item.settings.seed for item in items] == list(range(9)) and len(built) <= 1


def test_every_option_of_a_command_line_is_a_column_or_holds_for_the_whole_run():
    columns = {f"--{column}" for column, _, _ in OF_ONE_VIDEO + OF_THE_OUTPUT}
    of_the_run = {"--batch", "--shard", "--log", "--renderer", "--motion", "--resume", "--batch-size", "--device"}
    of_the_run |= {"--dtype", "--compile", "--quiet", "--debug", "--version"}
    assert columns | of_the_run | {"--output"} == set(options("dd-dub")) and not columns & of_the_run


@pytest.mark.parametrize(
    ("column", "text", "given", "expected"),
    [
        ("expression", "", {"expression": 2.0}, 2.0),
        ("expression", "0", {"expression": 2.0}, 0.0),
        ("deinterlace", "", {"deinterlace": True}, True),
        ("deinterlace", "no", {"deinterlace": True}, False),
        ("face", "", {"face": "1"}, "1"),
        ("seed", "", {"seed": 7}, 7),
    ],
)
def test_empty_cells_are_the_options_of_the_command_line(tmp_path, column, text, given, expected):
    settings = only_row(tmp_path, column, text, DubOptions(**given))
    assert getattr(settings, column) == expected


@pytest.mark.parametrize(("text", "expected"), [("", {"a": "1", "b": "2"}), ("c=3", {"c": "3"})])
def test_a_cell_replaces_a_repeated_option(tmp_path, text, expected):
    defaults = DubOptions(metadata=["a=1", "b=2"])
    assert only_row(tmp_path, "metadata", text, defaults).output.metadata == expected


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("references", "0"),
        ("references", "-1"),
        ("references", "two"),
        ("references", "2.5"),
        ("expression", "-0.1"),
        ("expression", "5.1"),
        ("expression", "loud"),
        ("adapt", "-1"),
        ("adapt", "inf"),
        ("face", "nose"),
        ("face", "all"),
        ("at", "640"),
        ("at", "640,nan"),
        ("at", "-inf,360"),
        ("steps", "0"),
        ("steps", "1001"),
        ("seed", "1.5"),
        ("seed", "-1"),
        ("seed", "9223372036854775808"),
        ("loop", "swing"),
        ("tail", "wag"),
        ("codec", "h263"),
        ("quality", "-1"),
        ("quality", "64"),
        ("pixel-format", "-x"),
        ("audio-channel", "0"),
        ("metadata", "title"),
    ],
)
def test_a_value_is_refused_as_on_the_command_line(studio, column, text):
    line = call_in(studio, f"dd-dub portrait.png voice.wav -o out/a.mp4 {MODELS} --{column}={text}")
    (studio / "list.tsv").write_text(f"{HEADER}\t{column}\nportrait.png\tvoice.wav\tout/a.mp4\t{text}\n")
    row = call_in(studio, f"dd-dub --batch list.tsv {MODELS}")
    assert (line.status, row.status) == (2, 1)
    message = line.errors.removeprefix("dd-dub: ").removesuffix("; see dd-dub --help\n").rstrip("\n")
    assert row.errors == f"dd-dub: cannot use 'list.tsv': line 2: {message}\n"
    assert os.listdir(studio / "out") == []


@pytest.mark.parametrize("option", ["expression", "adapt"])
def test_what_is_not_a_number_is_refused(option):
    name = {"adapt": "adapt_minutes"}.get(option, option)
    for value in (float("nan"), float("inf"), -1.0):
        with pytest.raises(UsageError, match=f"{option} {value:g} is out of range"):
            DubSettings(**{name: value})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column video, audio, output"),
        ("video\taudio\n", "line 1: no column output"),
        ('"video"\taudio\toutput\n', "line 1: no column video"),
        (f"{HEADER}\n", "no videos"),
        (f"{HEADER}\n\t\t\n\n", "no videos"),
        (f"{HEADER}\tvoice\n", "line 1: unknown column 'voice', expected options of one video: "),
        (f"{HEADER}\tcrop_only\n", "line 1: unknown column 'crop_only'"),
        (f"{HEADER}\t\tseed\n", "line 1: unknown column ''"),
        (f"{HEADER}\tseed=1\n", "line 1: unknown column 'seed=1'"),
        (f"{HEADER}\tseed\tseed\n", "line 1: two columns 'seed'"),
        (f"{HEADER}\taudio\n", "line 1: two columns 'audio'"),
        (f"{HEADER}\nv\ta\n", "line 2: output is empty"),
        (f"{HEADER}\n\ta\to\n", "line 2: video is empty"),
        (f"{HEADER}\nv\ta\to\t5\n", "line 2: 4 cells, expected 3, as many as columns"),
        (f"{HEADER}\tlossless\nv\ta\to\t1\n", "line 2: invalid value for '--lossless': '1' is neither yes nor no"),
        (f"{HEADER}\tat\tface\nv\ta\to\t1,2\tlargest\n", "line 2: face 'largest' and a point both choose the speaker"),
        (f"{HEADER}\nv\ta\to\n\nw\tb\t./o\n", "line 4: '{folder}/o' is the output of line 2 too"),
        (f"{HEADER}\nv\ta\tx/../v\n", "line 2: '{folder}/x/../v' is both input and output"),
        (f"{HEADER}\nv\ta\ta\n", "line 2: '{folder}/a' is both input and output"),
        (f"{HEADER}\nv\ta\to\nw\ta\tv\n", "line 3: '{folder}/v' is both input and output"),
        (f"{HEADER}\nv\ta\0\to\n", None),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line(tmp_path, content, message):
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    expected = f"use '{tmp_path / 'list.tsv'}': {message}" if message else "read"
    assert str(caught.value).startswith(f"cannot {expected.replace('{folder}', str(tmp_path))}")


@pytest.mark.parametrize(
    "column", ["renderer", "motion", "batch-size", "device", "dtype", "compile", "batch", "shard", "log", "resume",
               "quiet", "debug", "version", "help", "-q", "o"],
)  # fmt: skip
def test_options_of_the_whole_run_are_no_columns(tmp_path, column):
    with pytest.raises(DataError, match=f"line 1: unknown column '{column}'"):
        only_row(tmp_path, column, "1")


def test_every_bad_line_is_reported_before_any_work(studio):
    lines = [f"{HEADER}\tsolver\tlossless", "portrait.png\tvoice.wav\tout/a.mp4", "portrait.png\tvoice.wav"]
    lines += ["portrait.png\tvoice.wav\tout/b.mp4\t\tmaybe", "portrait.png\tvoice.wav\tout/a.mp4"]
    (studio / "list.tsv").write_text("\n".join(lines))
    outcome = call_in(studio, f"dd-dub --batch list.tsv {MODELS} --log log.jsonl")
    assert (outcome.status, outcome.errors.splitlines()) == (
        1,
        [
            "dd-dub: cannot use 'list.tsv': line 3: output is empty",
            "dd-dub: cannot use 'list.tsv': line 4: invalid value for '--lossless': 'maybe' is neither yes nor no",
            "dd-dub: cannot use 'list.tsv': line 5: 'out/a.mp4' is the output of line 2 too",
        ],
    )
    assert os.listdir(studio / "out") == [] and not (studio / "log.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "video"),
    [
        (b"\xef\xbb\xbfvideo\taudio\toutput\tseed\nv.mp4\ta\to\t1\n", "v.mp4"),
        (b"video\taudio\toutput\tseed\r\nv.mp4\ta\to\t1\r\n\t\t\t\r\n", "v.mp4"),
        (b"video\taudio\toutput\tseed\t\t\nv.mp4\ta\to\t1\t\t\n", "v.mp4"),
        (b"video\taudio\toutput\tseed\tloop\nv.mp4\ta\to\t1", "v.mp4"),
        (b'video\taudio\toutput\tseed\n"v" .mp4\ta\to\t1\n', '"v" .mp4'),
        (b"video\taudio\toutput\tseed\nM\xfcller.mp4\ta\to\t1\n", os.fsdecode(b"M\xfcller.mp4")),
        ("video\taudio\toutput\tseed\nMüller\u2028.mp4\ta\to\t1\n".encode(), "Müller\u2028.mp4"),
    ],
    ids=["byte-order mark", "CRLF", "trailing tabs", "short row", "quotes", "Latin-1", "UTF-8"],
)
def test_lists_as_other_programs_write_them(tmp_path, content, video):
    (item,) = read(tmp_path, content)
    assert (item.video, item.settings.seed) == (tmp_path / video, 1)
