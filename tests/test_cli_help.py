"""`--help` and `--version` of every command: complete, and without importing slow libraries."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from commands import call, command_names, options, parameters

from dd_tools import __version__

SLOW_IMPORTS = ("torch", "cv2", "transformers", "face_alignment", "numba", "h5py", "numpy", "ffmpeg", "onnxruntime")


def test_all_commands_are_installed():
    assert command_names() == [
        "dd-audio", "dd-dub", "dd-encode", "dd-eval", "dd-generate", "dd-import", "dd-info", "dd-prep", "dd-render",
        "dd-study build", "dd-study power", "dd-study score", "dd-train-ae", "dd-train-seq",
    ]  # fmt: skip


@pytest.mark.parametrize("name", command_names())
def test_help_shows_every_option_with_a_help_text(name):
    shown = call(name, "--help")
    assert (shown.status, shown.errors) == (0, "")
    assert f"{name} [OPTIONS]" in shown.output
    for option in [*options(name), "--help"]:
        assert option in shown.output
    for parameter in parameters(name):
        assert parameter.help and parameter.help[0].isupper(), f"{parameter.name} has no help text"


@pytest.mark.parametrize("name", command_names())
def test_version(name):
    assert call(name, "--version") == (0, f"{name.split()[0]} (dd_tools) {__version__}\n", "")


@pytest.mark.parametrize("name", command_names())
def test_an_unknown_option_is_a_usage_error(name):
    outcome = call(name, "--no-such-option")
    assert outcome.status == 2
    assert "--no-such-option" in outcome.errors
    assert "Traceback" not in outcome.errors


def test_help_imports_no_slow_library():
    """All commands run in one process, so the modules that any of them imports are loaded at the end."""
    program = textwrap.dedent(f"""
        import sys
        from commands import call, command_names
        statuses = {{name: call(name, "--help").status for name in command_names()}}
        assert set(statuses.values()) == {{0}}, statuses
        print(*[module for module in {SLOW_IMPORTS!r} if module in sys.modules])
    """)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (found.returncode, found.stdout.split(), found.stderr) == (0, [], "")
