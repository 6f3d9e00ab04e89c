"""Crops as videos, the video that a clip was cut from, and what does not go together."""

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from both_kinds import of_both_kinds, tiny_renderer
from factories import dummy_clip, dummy_video

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.clip import Clip
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.video import probe, read_frames
from dd_tools.pipeline.output import OutputSettings, check_target, find_source, plan_output, write_video
from dd_tools.pipeline.painting import Speaker


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, unusable=[4, 5])) as clip:
        yield clip


def speaker(kind: str, clip: Clip, **timing: str) -> Speaker:
    renderer = tiny_renderer(kind)
    latents = np.random.default_rng(0).normal(size=(11, renderer.z_size)).astype(np.float32)
    return Speaker(clip, latents, renderer, **{"loop": "stop", "tail": "silence"} | timing)


@of_both_kinds
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_crops_become_a_lossless_video_of_the_same_frames(kind, clip, tmp_path, suffix):
    output, one = tmp_path / f"out{suffix}", speaker(kind, clip)
    settings = OutputSettings(lossless=True)
    plan = plan_output(output, settings, source=None, audio=None)
    write_video([one], output, settings, tmp_path, source=None, plan=plan, inputs=Snapshot())
    assert (probe(output).width, probe(output).frame_rate) == (clip.size, 25)
    frames = list(read_frames(output))
    for frame, item in zip(frames, one.paint(slice(0, 11), 8), strict=True):
        assert frame.pts == pytest.approx(item.pts, abs=1e-3)
        assert np.array_equal(frame.image, item.crop)


def test_crops_are_encoded_with_loss_by_default(clip, tmp_path):
    output, one = tmp_path / "out.mp4", speaker("warp", clip)
    plan = plan_output(output, OutputSettings(), source=None, audio=None)
    write_video([one], output, OutputSettings(), tmp_path, source=None, plan=plan, inputs=Snapshot())
    for frame, item in zip(read_frames(output), one.paint(slice(0, 11), 8), strict=True):
        # An untrained network paints coloured noise, which 4:2:0 blurs; known pixels come through.
        assert np.abs(frame.image.mean(-1) - item.crop.mean(-1))[item.mask == 0].mean() < 4


def test_a_source_that_is_missing_or_changed_is_refused(clip, tmp_path):
    video = dummy_video(tmp_path / "other.mp4", seconds=0.4)
    missing = r"cannot find 'dummy.mp4', the source of '.*clip.h5' beside it or in the working folder; name it with"
    with pytest.raises(DataError, match=missing):
        find_source(clip)
    with pytest.raises(DataError, match=r"cannot find 'gone.mp4', the source of '.*clip.h5'; name it with --source"):
        find_source(clip, Path("gone.mp4"))
    with pytest.raises(DataError, match=r"other.mp4' is not the file .* was cut from \(SHA-256 differs\)"):
        find_source(clip, video)
    (tmp_path / "dummy.mp4").write_bytes(video.read_bytes())
    with pytest.raises(DataError, match=r"dummy.mp4' is not the file"):
        find_source(clip)


def test_the_source_is_the_file_of_its_name_whose_content_is_right(tmp_path, monkeypatch):
    folders = {name: tmp_path / name for name in ("clips", "here")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "dummy.mp4").write_bytes(b"another video")
    monkeypatch.chdir(folders["here"])
    right = b"the video"
    with h5py.File(dummy_clip(folders["clips"] / "clip.h5"), "r+") as file:
        source = json.loads(file.attrs["source"])
        file.attrs["source"] = json.dumps(source | {"sha256": hashlib.sha256(right).hexdigest()})
    with Clip(folders["clips"] / "clip.h5") as clip:
        for folder, expected in (
            (folders["here"], Path("dummy.mp4")),
            (folders["clips"], clip.path.parent / "dummy.mp4"),
        ):
            (folder / "dummy.mp4").write_bytes(right)
            assert find_source(clip) == expected
        (tmp_path / "renamed.mp4").write_bytes(right)
        assert find_source(clip, tmp_path / "renamed.mp4") == tmp_path / "renamed.mp4"


@pytest.mark.parametrize("name", ["out.avi", "out", "missing/out.mp4"])
def test_targets_that_cannot_be_written_are_refused(tmp_path, name):
    with pytest.raises((DataError, UsageError), match=name.split("/")[0]):
        check_target(tmp_path / name)


def test_speakers_that_do_not_fit_together_are_refused(clip, tmp_path):
    def write(*speakers, source=None):
        write_video(
            speakers, tmp_path / "out.mp4", OutputSettings(), tmp_path, source=source, plan=None, inputs=Snapshot()
        )

    one, shorter = speaker("warp", clip), speaker("warp", clip, tail="cut")
    shorter.timeline = shorter.timeline.part(slice(0, 5))
    with pytest.raises(UsageError, match="leave out --crop-only"):
        write(one, one)
    with pytest.raises(UsageError, match="the motions differ in length"):
        write(one, shorter, source=tmp_path / "video.mp4")
