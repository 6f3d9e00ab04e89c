"""Fixtures of several test files."""

from pathlib import Path

import pytest
from media_files import PROGRAMS


@pytest.fixture(params=PROGRAMS, ids=lambda program: Path(program).name)
def program(request, monkeypatch):
    """Run the test with the system's ffmpeg and with that of imageio-ffmpeg."""
    monkeypatch.setattr("dd_tools.media.ffmpeg.ffmpeg_path", lambda: request.param)
