"""dd-prep from the command line: outputs, messages, one-line errors, concurrent runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from commands import call
from factories import DummyDetector, dummy_face_landmarks, dummy_lossless_video, dummy_marked_face, dummy_talk
from PIL import Image

from dd_tools.formats.clip import Clip
from dd_tools.formats.history import sha256_of


def marked(**options) -> np.ndarray:
    """A frame of 160 × 160 pixels with a face for `DummyDetector` near its centre."""
    return dummy_marked_face(**{"right": 30, "down": 20, "size": 160} | options)


@pytest.fixture(scope="module")
def original_talk(tmp_path_factory):
    return dummy_talk(tmp_path_factory.mktemp("videos") / "talk.mp4")


@pytest.fixture
def talk(original_talk, tmp_path):
    return Path(shutil.copy2(original_talk, tmp_path))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dd_tools.face.detectors.registry.open_detector", lambda name, report: DummyDetector())


def test_one_video(talk):
    status, out, errors = call("dd-prep", "talk.mp4", "-o", "a.h5", "--size", 64, "--no-history")
    assert (status, out) == (0, "")
    assert "dd-prep: 'talk.mp4': 19 of 24 frames usable" in errors
    assert "dd-prep: 'talk.mp4': 0.32-0.48 s (frames 8-12): no face" in errors
    with Clip("a.h5") as clip:
        assert (clip.size, clip.history) == (64, [])


def test_history_is_recorded_and_the_same_input_gives_the_same_bytes(talk, tmp_path):
    for name in ("a.h5", "b.h5"):
        assert call("dd-prep", "-q", "talk.mp4", "-o", "c.h5") == (0, "", "")
        (tmp_path / "c.h5").rename(name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File("a.h5") as file:
        history = json.loads(file.attrs["history"])
    assert history[0]["command"] == "dd-prep"
    assert history[0]["arguments"] == ["-q", "talk.mp4", "-o", "c.h5"]
    assert list(history[0]["inputs"]) == ["talk.mp4"]


def test_a_clip_does_not_say_where_its_video_was(talk, tmp_path):
    clips = []
    for name in ("ann", "bob"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy("talk.mp4", folder)
        for options, clip in (((), "a.h5"), (("--no-history",), "b.h5")):
            assert call("dd-prep", "-q", folder / "talk.mp4", "-o", folder / clip, *options) == (0, "", "")
            clips.append((folder / clip).read_bytes())
    assert clips[0] == clips[2] and clips[1] == clips[3]
    assert not any(part.encode() in clips[0] for part in tmp_path.parts[1:])


def test_the_face_at_a_point_and_the_face_with_a_number_are_the_same(talk):
    for name, *choice in (("a.h5",), ("b.h5", "--at", "70,60"), ("c.h5", "--face", "0")):
        assert call("dd-prep", "-q", "talk.mp4", "-o", name, *choice) == (0, "", "")
    with Clip("a.h5") as one, Clip("b.h5") as other, Clip("c.h5") as third:
        assert [clip.settings["face"] for clip in (one, other, third)] == ["prominent", "prominent", "0"]
        assert (one.settings["at"], other.settings["at"]) == (None, [70.0, 60.0])
        np.testing.assert_array_equal(one.frames[:], other.frames[:])
        np.testing.assert_array_equal(one.landmarks, third.landmarks)


def test_faces_are_drawn_on_a_sheet(talk, tmp_path):
    status, out, errors = call("dd-prep", "talk.mp4", "--list-faces", "sheet.png")
    assert (status, out) == (0, "")
    assert "dd-prep: 'talk.mp4': 1 face, numbered in 'sheet.png'" in errors
    assert Image.open("sheet.png").size[0] > 160
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sheet.png", "talk.mp4"]


def test_all_faces_become_numbered_clips(talk, tmp_path):
    (tmp_path / "clips").mkdir()
    status, _, errors = call("dd-prep", "--face", "all", "talk.mp4", "-o", "clips", "--no-history")
    assert status == 0
    assert "dd-prep: 'clips/talk-0.h5': 19 of 24 frames usable" in errors
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["talk-0.h5"]
    assert call("dd-prep", "-q", "--face", "0", "talk.mp4", "-o", "one.h5", "--no-history")[0] == 0
    assert Path("one.h5").read_bytes() == Path("clips/talk-0.h5").read_bytes()
    _, _, errors = call("dd-prep", "--face", "all", "--resume", "talk.mp4", "-o", "clips")
    assert "dd-prep: 'clips/talk-0.h5' is up to date" in errors


def test_a_bad_video_does_not_stop_the_others_and_resume_skips_what_is_done(talk, tmp_path):
    (tmp_path / "bad.mp4").write_text("not a video\n")
    dummy_lossless_video(tmp_path / "more.mp4", [marked()] * 2)
    (tmp_path / "clips").mkdir()
    status, _, errors = call("dd-prep", "-q", "talk.mp4", "bad.mp4", "more.mp4", "-o", "clips")
    assert status == 1
    assert errors.startswith("dd-prep: cannot read 'bad.mp4': ")
    assert errors.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == ["more.h5", "talk.h5"]
    before = [path.stat().st_mtime_ns for path in sorted((tmp_path / "clips").iterdir())]
    status, _, errors = call("dd-prep", "--resume", "talk.mp4", "more.mp4", "-o", "clips")
    assert status == 0
    assert "dd-prep: 'clips/talk.h5' is up to date" in errors
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "clips").iterdir())] == before


def test_the_content_of_a_video_decides_whether_its_clip_is_up_to_date(talk, tmp_path):
    dummy_lossless_video(tmp_path / "old.mp4", [marked()] * 2)
    os.utime("old.mp4", (1, 1))
    resumed = ("dd-prep", "talk.mp4", "-o", "a.h5", "--resume")
    is_skipped = {}

    def run(name, *options):
        is_skipped[name] = "is up to date" in call(*resumed, *options).errors

    assert call("dd-prep", "-q", "talk.mp4", "-o", "a.h5") == (0, "", "")
    (tmp_path / "talk.mp4").touch()
    run("a newer time")
    run("another size", "--size", "64")
    run("the same size", "--size", "64")
    run("another face", "--size", "64", "--face", "0")
    shutil.copy2("old.mp4", "talk.mp4")
    run("an older video copied over it", "--size", "64", "--face", "0")
    with Clip("a.h5") as clip:
        assert (clip.length, clip.size, clip.source.sha256) == (2, 64, sha256_of("talk.mp4"))
    Path("a.h5").write_bytes(Path("a.h5").read_bytes()[:-100])
    run("a damaged clip", "--size", "64", "--face", "0")
    assert [name for name, skipped in is_skipped.items() if skipped] == ["a newer time", "the same size"]


def test_the_content_of_landmarks_decides_too(talk, tmp_path):
    landmarks = np.tile(dummy_face_landmarks() + np.float32([20, 20]), (24, 1, 1))
    np.save("points.npy", landmarks)
    given = ("dd-prep", "talk.mp4", "-o", "a.h5", "--landmarks", "points.npy")
    assert call(*given, "-q") == (0, "", "")
    assert "is up to date" in call(*given, "--resume").errors
    np.save("points.npy", landmarks + np.float32(1))
    os.utime("points.npy", (1, 1))
    assert "is up to date" not in call(*given, "--resume").errors
    assert call(*given, "-q", "--no-history") == (0, "", "")
    assert "is up to date" not in call(*given, "--resume").errors


@pytest.mark.parametrize("face", ["prominent", "all"])
def test_an_interrupted_run_is_continued(talk, tmp_path, monkeypatch, face):
    (tmp_path / "clips").mkdir()
    arguments = ("dd-prep", "-q", "--no-history", "--face", face, "talk.mp4", "-o")
    assert call(*arguments, "clips").status == 0
    (clip,) = Path("clips").iterdir()
    expected, parts = clip.read_bytes(), clip.with_name(f"{clip.name}.parts")
    clip.unlink()
    detect, calls = DummyDetector.detect, []

    def interrupted_at_the_tenth(self, frame, *, thorough=True):
        calls.append(thorough)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return detect(self, frame, thorough=thorough)

    monkeypatch.setattr(DummyDetector, "detect", interrupted_at_the_tenth)
    assert call(*arguments, "clips").status == 130
    assert [path.name for path in Path("clips").iterdir()] == [parts.name]
    assert call(*arguments, "clips", "--resume") == (0, "", "")
    assert (clip.read_bytes(), parts.exists()) == (expected, False)
    needed = len(calls) - 1

    # With other options, and without --resume, everything is detected again.
    for options in ((), ("--resume", "--fps", "25")):
        clip.unlink()
        calls.clear()
        assert call(*arguments, "clips").status == 130
        assert call(*arguments, "clips", *options).status == 0
        assert len(calls) == 10 + needed
        assert not options or clip.read_bytes() != expected


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none.mp4", "-o", "a.h5"], 1, "cannot read 'none.mp4': no such file"),
        (["text.mp4", "-o", "a.h5"], 1, "cannot read 'text.mp4': "),
        (["empty.mp4", "-o", "a.h5"], 1, "cannot read 'empty.mp4': "),
        (["sound.wav", "-o", "a.h5"], 1, "cannot read 'sound.wav': no video track"),
        (["card.mp4", "-o", "a.h5"], 1, "no face found in 'card.mp4'"),
        (["talk.mp4", "-o", "nowhere/a.h5"], 1, "cannot write 'nowhere/a.h5': folder 'nowhere' does not exist"),
        (["talk.mp4", "-o", "talk.mp4"], 2, "'talk.mp4' is both input and output"),
        (["talk.mp4", "card.mp4", "-o", "a.h5"], 2, "'a.h5' is not an existing folder, which 2 inputs need"),
        (["talk.mp4", "sub/talk.mkv", "-o", "."], 2, "'talk.mp4' and 'sub/talk.mkv' would both write 'talk.h5'"),
        (["talk.mp4", "-o", "a.h5", "--size", "7"], 2, "size 7 is out of range, expected 16 to 2048 pixels"),
        (["talk.mp4", "-o", "a.h5", "--crop", "tight"], 2, "unknown crop 'tight', expected face or head"),
        (["talk.mp4", "-o", "a.h5", "--device", "cuda"], 2, "only --detector face-alignment computes on a GPU"),
        (
            ["talk.mp4", "-o", "a.h5", "--detector", "face-alignment", "--device", "gpu"],
            2,
            "unknown device 'gpu', expected auto, cpu, cuda, mps or cuda:N",
        ),
        (["talk.mp4", "-o", "a.h5", "--mask", "no"], 2, "unknown mask 'no', expected steady or paper"),
        (["talk.mp4", "-o", "a.h5", "--fps", "fast"], 2, "unknown frame rate 'fast', expected source or a number"),
        (["talk.mp4", "card.mp4", "-o", ".", "--landmarks", "l.npy"], 2, "--landmarks needs exactly one video, got 2"),
        (["talk.mp4", "-o", "a.h5", "--landmarks", "l.npy"], 1, "cannot read 'l.npy': no such file"),
        (
            ["talk.mp4", "-o", "a.h5", "--landmarks", "l.npy", "--face", "largest"],
            2,
            "--landmarks cannot be combined with --face or --at",
        ),
        (["talk.mp4"], 2, "missing option '-o' / '--output'"),
        (["talk.mp4", "-o", "a.h5", "--face", "left"], 2, "unknown face 'left', expected prominent, largest"),
        (["talk.mp4", "-o", "a.h5", "--face", "1"], 1, "no face 1 in 'talk.mp4', which has only face 0; see"),
        (
            ["talk.mp4", "-o", "a.h5", "--at", "here"],
            2,
            "unknown point 'here', expected X,Y in pixels, such as 640,360",
        ),
        (["talk.mp4", "-o", "a.h5", "--at", "1,2", "--face", "0"], 2, "face '0' and a point both choose the speaker"),
        (["talk.mp4", "-o", "a.h5", "--at", "150,10"], 1, "no face found at 150,10 in 'talk.mp4'"),
        (
            ["talk.mp4", "-o", "a.h5", "--face", "all"],
            2,
            "'a.h5' is not an existing folder, which --face all needs",
        ),
        (["talk.mp4", "-o", "a.h5", "--list-faces", "a.png"], 2, "--list-faces cannot be combined with --output"),
        (["talk.mp4", "b.mp4", "--list-faces", "a.png"], 2, "--list-faces needs exactly one video, got 2"),
        (["talk.mp4", "--list-faces", "a.jpg"], 2, "--list-faces needs a file name that ends in .png, got 'a.jpg'"),
        (["none.mp4", "--list-faces", "a.png"], 1, "cannot read 'none.mp4': no such file"),
        (["talk.mp4", "--list-faces", "no/a.png"], 1, "cannot write 'no/a.png': folder 'no' does not exist"),
        (["card.mp4", "--list-faces", "a.png"], 1, "no face found in 'card.mp4'"),
    ],
)
def test_bad_input_is_a_one_line_error_and_leaves_no_file(talk, tmp_path, arguments, status, message):
    (tmp_path / "text.mp4").write_text("hello\n")
    (tmp_path / "empty.mp4").touch()
    if "card.mp4" in arguments[:1]:
        dummy_lossless_video(tmp_path / "card.mp4", [np.zeros((32, 32, 3), np.uint8)])
    if "sound.wav" in arguments:
        from dd_tools.media.audio import write_audio

        write_audio(tmp_path / "sound.wav", np.zeros(1600, np.float32), 16000)
    before = sorted(path.name for path in tmp_path.iterdir())
    found, out, errors = call("dd-prep", "-q", *arguments)
    assert (found, out, errors.count("\n")) == (status, "", 1)
    assert errors.startswith(f"dd-prep: {message}")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_gpu_that_is_too_small_for_the_detector_is_one_line(talk, monkeypatch):
    def fail(name, **options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("dd_tools.face.detectors.registry.open_detector", fail)
    assert call("dd-prep", "talk.mp4", "-o", "a.h5") == (1, "", "dd-prep: out of GPU memory; use --device cpu\n")
    assert not Path("a.h5").exists()


def test_a_damaged_video_gives_the_frames_that_decode(tmp_path):
    frames = [marked(right=20 + t % 20, opening=0.1 + 0.01 * t) for t in range(40)]
    whole = dummy_lossless_video(tmp_path / "whole.mkv", frames).read_bytes()
    (tmp_path / "torn.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    status, _, errors = call("dd-prep", "torn.mkv", "-o", "a.h5")
    assert status == 0
    with Clip("a.h5") as clip:
        assert 10 < clip.length < 40
        assert f"dd-prep: 'torn.mkv': {clip.length} of {clip.length} frames usable" in errors
    assert "dd-prep: 'torn.mkv' is damaged: it ends after 0." in errors


def test_four_concurrent_runs_do_not_interfere(talk, tmp_path):
    """Four processes with one input and one output folder; two of them write the same clip."""
    own = np.stack([dummy_face_landmarks(opening=0.1) + np.float32([20 + t, 25]) for t in range(24)])
    np.save(tmp_path / "own.npy", own)
    (tmp_path / "clips").mkdir()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", "from dd_tools.cli.prep import run; run()", "-q", "--no-history", str(talk), "-o",
             str(tmp_path / "clips" / name), "--landmarks", str(tmp_path / "own.npy")],
            stderr=subprocess.PIPE,
        )
        for name in ("a.h5", "b.h5", "c.h5", "c.h5")
    ]  # fmt: skip
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 4
    assert sorted(path.name for path in (tmp_path / "clips").iterdir()) == ["a.h5", "b.h5", "c.h5"]
    assert len({path.read_bytes() for path in (tmp_path / "clips").iterdir()}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "own.npy", "talk.mp4"]
