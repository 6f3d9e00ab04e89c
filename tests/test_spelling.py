"""How names are spelled: a literal table, and that no two names share a spelling."""

import contextlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from commands import call
from hypothesis import example, given
from hypothesis import strategies as st
from odd_names import NAMES

from dd_tools.cli.progress import bar
from dd_tools.spelling import spelled

# Every name that a file can have: all bytes but those of "/" and NUL.
FILE_NAMES = st.binary(min_size=1, max_size=20).map(lambda name: os.fsdecode(name.translate(None, b"/\0")))


@pytest.mark.parametrize(("name", "expected"), NAMES.items(), ids=ascii)
def test_the_spelling_of_a_name(name, expected):
    assert spelled(name) == expected


@given(FILE_NAMES)
@example('a"\\"\\udcfc\udcfc')
def test_a_spelling_is_a_line_of_unicode_from_which_the_bytes_come_back(name):
    spelling = spelled(name)
    spelling.encode("utf-8")
    assert spelling.splitlines() in ([spelling], [])
    assert os.fsencode(json.loads('"' + spelling.replace('"', '\\"') + '"')) == os.fsencode(name)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_an_error_is_one_line_with_the_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = call("dd-info", "--", f"{name}.h5")
    assert (outcome.status, outcome.errors) == (1, f"dd-info: cannot read '{NAMES[name]}.h5': no such file\n")


@pytest.mark.parametrize(("option", "shown"), [("--region=no\nse", r"'no\nse'"), ("--no\nse", "--no")])
def test_wrong_usage_with_a_line_break_is_one_line(option, shown):
    outcome = call("dd-eval", "a.mp4", "--truth", "b.mp4", option)
    assert outcome.status == 2 and outcome.errors.count("\n") == 1 and shown in outcome.errors


@pytest.mark.parametrize("name", ["Interview [dQw4].mp4", ":smile:.mp4"])
def test_a_progress_bar_shows_brackets_and_colons(name, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich draws as on a terminal
    monkeypatch.setenv("COLUMNS", "200")
    with contextlib.redirect_stderr(io.StringIO()) as drawn:
        assert list(bar(range(2), 2, name)) == [0, 1]
    assert name in drawn.getvalue()


def test_a_terminal_without_unicode_gets_escapes(tmp_path):
    np.save(tmp_path / "🎬.npy", np.ones((2, 3), np.float32))
    command = [sys.executable, "-c", "from dd_tools.cli.info import run; run()", "🎬.npy"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1:strict"}
    shown = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert (shown.returncode, shown.stdout.split(b"\n")[0]) == (0, rb"file: \U0001f3ac.npy")
