"""Written files carry the label of videos altered by AI."""

import re
import subprocess

import pytest
from media_files import smooth_frames, write_with_audio

from dd_tools.media.ai_label import XMP, append_xmp, label_tags
from dd_tools.media.ffmpeg import ffmpeg_path
from dd_tools.media.video import read_frames


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_altered_video_is_labelled(tmp_path, suffix):
    path = write_with_audio(tmp_path / f"v{suffix}", smooth_frames(5), None, tags=label_tags({"title": "Two = 2"}))
    append_xmp(path)
    lines = subprocess.run([ffmpeg_path(), "-i", path], capture_output=True, text=True).stderr
    assert re.search(r"digital_source_type *: http.*/compositeWithTrainedAlgorithmicMedia", lines, re.IGNORECASE)
    assert re.search(r"title *: Two = 2", lines, re.IGNORECASE)
    assert len(list(read_frames(path))) == 5
    if suffix == ".mp4":
        assert path.read_bytes().endswith(XMP.encode())
