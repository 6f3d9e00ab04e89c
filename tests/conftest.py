"""Fixtures of several test files."""

import shutil
import signal
from pathlib import Path

import pytest
from media_files import PROGRAMS


def pytest_configure() -> None:
    """Signals do what tests expect, also if the tests run in the background, where nohup and shells ignore some."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
            signal.signal(getattr(signal, name), handler)


@pytest.fixture(params=PROGRAMS, ids=lambda program: Path(program).name)
def program(request, monkeypatch):
    """Run the test with the system's ffmpeg and with that of imageio-ffmpeg."""
    monkeypatch.setattr("dd_tools.media.ffmpeg.ffmpeg_path", lambda: request.param)


@pytest.fixture(scope="session")
def filled_studio(tmp_path_factory):
    """A folder with an input of every kind, see `studio`. Tests copy it."""
    from studio import fill  # which imports torch

    folder = tmp_path_factory.mktemp("studio")
    fill(folder)
    return folder


@pytest.fixture
def studio(filled_studio, tmp_path):
    """A copy of it for one test."""
    shutil.copytree(filled_studio, tmp_path, dirs_exist_ok=True)
    return tmp_path
