"""examples/leak.sh dubs each video with silence, other speech and its own, and prints what dd-eval says of the lips."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from test_examples import EXAMPLES, NOTE_ONLY, run

from dd_tools.media.audio import read_audio
from dd_tools.speech.extraction import usable_level

# Stands in for dd-eval: the scores that it would have found lie beside it.
EVAL = NOTE_ONLY + 'while [ "$1" != --json ]; do shift; done\ncp scores.json "$2"\necho a long table\n'
KINDS = ("silence", "mismatched", "matched")


@pytest.fixture
def stage(tmp_path) -> Path:
    """A folder with the videos a, b and c in name only, and stand-ins for the commands."""
    for name in ("bin", "some videos"):
        (tmp_path / name).mkdir()
    for name in ("a.mp4", "b.mp4", "c.mov"):
        (tmp_path / "some videos" / name).touch()
    for command, script in (("dd-dub", NOTE_ONLY), ("dd-eval", EVAL)):
        (tmp_path / "bin" / command).write_text(script)
        (tmp_path / "bin" / command).chmod(0o755)
    write_scores(tmp_path, {"a": [(0.1, 0.02), (None, 0.9), (0.8, 1.1)]})
    return tmp_path


def write_scores(stage: Path, clips: dict[str, list[tuple]]) -> None:
    """What dd-eval writes about clips with r and amplitude ratio of each of the `KINDS`; means of 7 and 8."""
    pairs = [(clip, kind, values) for clip, rows in clips.items() for kind, values in zip(KINDS, rows, strict=True)]
    low, high = (6.5, 7.5) if len(clips) > 1 else (None, None)
    means = {key: {"mean": 7.0, "low": low, "high": high} for key in ("aperture_r", "aperture_ratio")}
    report = {
        "systems": [{"system": kind, **means} for kind in KINDS],
        "clips": [
            {"system": kind, "clip": clip, "aperture_r": r, "aperture_ratio": ratio} for clip, kind, (r, ratio) in pairs
        ],
    }
    (stage / "scores.json").write_text(json.dumps(report))


def leak(stage: Path, *videos: str, **variables: str):
    return run(stage, "sh", EXAMPLES / "leak.sh", *videos, **({"RESULTS": "my results"} | variables))


def table(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("videos", "variables", "mismatched"),
    [
        (("a.mp4", "b.mp4", "c.mov"), {}, ["some videos/b.mp4", "some videos/c.mov", "some videos/a.mp4"]),
        (("a.mp4", "b.mp4"), {"SPEECH": "x y.wav"}, ["x y.wav", "x y.wav"]),
        (("a.mp4",), {"SPEECH": "/tmp/x.wav"}, ["/tmp/x.wav"]),
        (("a.mp4",), {}, [EXAMPLES / "kennedy.flac"]),
    ],
)
def test_every_video_meets_silence_the_next_ones_speech_and_its_own(stage, videos, variables, mismatched):
    ended = leak(stage, *(f"some videos/{video}" for video in videos), **variables)
    assert (ended.returncode, ended.stderr) == (0, "")
    entries, pairs = [], []
    for video, speech in zip(videos, mismatched, strict=True):
        source = str(stage / "some videos" / video)
        silence = str(stage / "my results" / "silence.wav")
        for kind, audio in zip(KINDS, (silence, str(stage / speech), source), strict=True):
            output = f"{kind}/{Path(video).stem}.mp4"
            entries.append([source, audio, output])
            pairs.append([output, source])
    assert table(stage / "my results" / "dub.tsv") == [["video", "audio", "output"], *entries]
    assert table(stage / "my results" / "compare.tsv") == pairs
    assert (stage / "calls").read_text().splitlines() == [
        "dd-dub --batch my results/dub.tsv --resume",
        "dd-eval my results/compare.tsv --json my results/scores.json --markdown my results/scores.md",
    ]


def test_the_scores_are_printed_with_their_means(stage):
    write_scores(stage, {"a": [(0.123, 0.02), (None, 0.9), (0.8, 1.1)], "b": [(-0.5, 0), (0, 1), (1, 1.255)]})
    assert (
        leak(stage, "some videos/a.mp4", "some videos/b.mp4").stdout
        == """\
                              silence r      amplitude   mismatched r      amplitude      matched r      amplitude
good                                any              0              0              1              1              1
a                                  0.12           0.02              -           0.90           0.80           1.10
b                                 -0.50           0.00           0.00           1.00           1.00           1.25
mean                               7.00           7.00           7.00           7.00           7.00           7.00
95 % interval              [6.50, 7.50]   [6.50, 7.50]   [6.50, 7.50]   [6.50, 7.50]   [6.50, 7.50]   [6.50, 7.50]
"""
    )


def test_one_video_has_no_interval(stage):
    last = leak(stage, "some videos/a.mp4").stdout.splitlines()[-1]
    assert last.split() == ["95", "%", "interval", *"------"]


def test_own_weights_are_used(stage):
    leak(stage, "some videos/a.mp4", RENDERER="r x.safetensors", MOTION="m.safetensors")
    dubbing = (stage / "calls").read_text().splitlines()[0]
    assert dubbing.endswith(" --resume --renderer r x.safetensors --motion m.safetensors")


def test_the_silence_is_accepted_and_inaudible(stage):
    leak(stage, "some videos/a.mp4")
    path = stage / "my results" / "silence.wav"
    usable_level(path)  # raises an error for audio that is silent throughout
    samples = read_audio(path)
    assert 20 * np.log10(np.sqrt(np.mean(np.square(samples)))) < -75
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 2000)


def test_what_fails_is_not_hidden(stage):
    (stage / "bin" / "dd-eval").write_text(EVAL + "exit 1\n")
    ended = leak(stage, "some videos/a.mp4")
    assert ended.returncode == 1 and "mean" in ended.stdout
    (stage / "bin" / "dd-dub").write_text("#!/bin/sh\nexit 75\n")
    ended = leak(stage, "some videos/a.mp4")
    assert (ended.returncode, ended.stdout) == (75, "")


def test_old_scores_are_not_mistaken_for_new_ones(stage):
    leak(stage, "some videos/a.mp4")
    (stage / "bin" / "dd-eval").write_text("#!/bin/sh\nexit 2\n")
    ended = leak(stage, "some videos/a.mp4")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_wrong_usage(stage):
    ended = leak(stage)
    assert (ended.returncode, ended.stderr) == (2, "usage: leak.sh VIDEO...\n")
    ended = leak(stage, "some videos/a.mp4", "other/a.mkv")
    assert (ended.returncode, ended.stderr) == (2, "leak.sh: several videos have the same name: a\n")
