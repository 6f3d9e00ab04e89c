"""What cannot be written is refused before the work, and what will be lost is said."""

import numpy as np
import pytest
import soundfile
from factories import dummy_video

from dd_tools.errors import DataError
from dd_tools.media.codecs import Encoding
from dd_tools.media.encode import VideoWriter
from dd_tools.pipeline.output import OutputSettings, plan_output
from dd_tools.reporting import Silent


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.mark.parametrize(
    ("suffix", "settings"),
    [(".webm", {"codec": "h264"}), (".webm", {"codec": "hevc"}), (".webm", {"lossless": True})],
)
def test_a_codec_that_the_container_does_not_take_is_refused_at_once(program, tmp_path, suffix, settings):
    output = tmp_path / f"out{suffix}"
    source = dummy_video(tmp_path / "s.mp4", seconds=0.2)
    with pytest.raises(DataError) as caught:
        plan_output(output, OutputSettings(**settings), source=source, audio=source)
    assert str(caught.value).startswith(f"cannot write '{output}': ") and "\n" not in str(caught.value)
    assert "part.mp4" not in str(caught.value) and "rehearsal" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_a_plain_video_passes_without_a_word(program, tmp_path, suffix):
    source, heard = dummy_video(tmp_path / "s.mp4", seconds=0.2), Heard()
    plan = plan_output(tmp_path / f"out{suffix}", OutputSettings(), source=source, audio=source, report=heard)
    assert plan.audio and heard.lines == []
    assert plan_output(tmp_path / "%03d.png", OutputSettings(), source=source, audio=source) is None


def test_lost_hdr_metadata_are_said(tmp_path):
    source, hdr = tmp_path / "s.mp4", {"max-cll": "1000,400"}
    with VideoWriter(source, 64, 48, 25, Encoding("hevc", pixel_format="yuv420p10le", hdr=hdr)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8), 0)
    for codec, lines in (
        (None, []),
        ("h264", [f"'{tmp_path / 'o.mp4'}' will not have the HDR metadata of '{source}'"]),
    ):
        heard = Heard()
        plan_output(tmp_path / "o.mp4", OutputSettings(codec=codec), source=source, audio=None, report=heard)
        assert [line.partition(",")[0] for line in heard.lines] == lines


def test_a_missing_channel_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((8000, 2), 0.3), 16000)
    with pytest.raises(DataError, match=r"cannot read channel 3 of '.*': it has 2"):
        plan_output(tmp_path / "o.mp4", OutputSettings(audio_channel=3), source=None, audio=tmp_path / "a.wav")
