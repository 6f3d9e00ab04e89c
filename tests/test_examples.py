"""The examples do what they say, with tiny weights: the pipeline of stages, and the Makefile that is incremental."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import options
from factories import (
    dummy_motion_model,
    dummy_portrait,
    dummy_renderer,
    dummy_voice,
    dummy_warp_motion_model,
    dummy_warp_renderer,
)

from dd_tools.media.audio import has_audio
from dd_tools.media.video import probe, read_frames

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted([*EXAMPLES.rglob("*.sh"), EXAMPLES.parent / "tests" / "run.sh"])
WORKFLOWS = [EXAMPLES / "Makefile", EXAMPLES / "snakemake" / "Snakefile"]
SIZE = 32  # of the tiny renderer

# Stands in for every command where only the order of work matters: notes how it was called and makes its output.
STAND_IN = """#!/bin/sh
echo "${0##*/} $*" >> calls
while [ "$1" != -o ]; do shift; done
echo made > "$2"
"""
NOTE_ONLY = STAND_IN.partition("while")[0]
DUB_STAND_IN = NOTE_ONLY + '[ "$1" = --batch ] && exit\n' + STAND_IN[len(NOTE_ONLY) :]
COMMANDS = ("dd-prep", "dd-audio", "dd-encode", "dd-generate", "dd-render")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Path:
    """A folder (with a space in its name) with a portrait, audio of 0.4 s and tiny weights of both kinds."""
    folder = tmp_path_factory.mktemp("one portrait")
    dummy_portrait(folder / "face.png")
    dummy_voice(folder / "voice.wav", seconds=0.4)
    dummy_warp_renderer(folder / "renderer.safetensors")
    dummy_warp_motion_model(folder / "motion.safetensors")
    dummy_renderer(folder / "paper-renderer.safetensors")
    dummy_motion_model(folder / "paper-motion.safetensors")
    return folder


@pytest.fixture
def stage(tmp_path) -> Path:
    """A folder with two videos and two audio files in name only; its folder `bin` has stand-ins for the commands."""
    (tmp_path / "bin").mkdir()
    for command in COMMANDS:
        (tmp_path / "bin" / command).write_text(STAND_IN)
        (tmp_path / "bin" / command).chmod(0o755)
    for name in ("a.mp4", "b.mp4", "x.wav", "y.wav"):
        (tmp_path / name).touch()
    return tmp_path


def run(folder: Path, *command: object, **variables: object) -> subprocess.CompletedProcess:
    """Run a program in `folder`, where the commands are those of its folder `bin`, else the installed ones."""
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    environment |= {name: str(value) for name, value in variables.items()}
    return subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)


def dub(folder: Path, *arguments: object, **variables: object) -> subprocess.CompletedProcess:
    """Run examples/dub.sh; its temporary files go to the folder `temporary`."""
    (folder / "temporary").mkdir(exist_ok=True)
    return run(folder, "sh", EXAMPLES / "dub.sh", *arguments, TMPDIR=folder / "temporary", **variables)


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run examples/Makefile, by default on the two videos and audio files of `stage`."""
    variables = {"VIDEOS": "a.mp4 b.mp4", "VOICES": "x.wav y.wav", "OUT": "out"} | variables
    settings = [f"{name}={value}" for name, value in variables.items()]
    return run(folder, "make", "-f", EXAMPLES / "Makefile", *arguments, *settings)


def calls(folder: Path) -> list[str]:
    """The commands called since the last time, sorted."""
    log = folder / "calls"
    found = sorted(line.split()[0] for line in log.read_text().splitlines())
    log.unlink()
    return found


def leftovers(folder: Path) -> list[str]:
    """What a script left in its temporary folder; torch keeps a cache there."""
    return [path.name for path in (folder / "temporary").iterdir() if not path.name.startswith("torchinductor")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_are_plain_shell(script):
    for shell in ("sh", "dash"):
        if shutil.which(shell):
            checked = subprocess.run([shell, "-n", script], capture_output=True, text=True)
            assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("script", [*SCRIPTS, *WORKFLOWS], ids=lambda script: script.name)
def test_options_in_scripts_are_those_of_the_commands(script):
    text = re.sub(r"^#.*", "", script.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for command, arguments in re.findall(r"(?<![-./\w])(dd-[a-z]+(?:-[a-z]+)?) ([^|;&\n]*)", text):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", arguments):
            assert option in {other for parameter in options(command).values() for other in parameter.opts}, option


def test_stages_make_a_video_as_long_as_the_audio_and_clean_up(material):
    weights = {"RENDERER": "renderer.safetensors", "MOTION": "motion.safetensors", "SIZE": SIZE}
    done = dub(material, "face.png", "voice.wav", "spoken.mp4", **weights)
    assert done.returncode == 0, done.stderr
    assert len(list(read_frames(material / "spoken.mp4"))) == 10
    assert has_audio(material / "spoken.mp4")
    assert probe(material / "spoken.mp4").width == 240
    assert leftovers(material) == []


@pytest.mark.parametrize("failing", ["dd-prep", "dd-encode", "dd-render"])
def test_stages_stop_and_clean_up_where_one_fails(stage, failing):
    (stage / "bin" / failing).write_text("#!/bin/sh\nexit 1\n")
    done = dub(stage, "a.mp4", "x.wav", "failed.mp4")
    assert done.returncode == 1
    assert not (stage / "failed.mp4").exists()
    assert leftovers(stage) == []


def test_stages_show_their_usage(stage):
    done = dub(stage, "a.mp4")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "usage: dub.sh VIDEO|IMAGE AUDIO OUTPUT.mp4\n")


@needs_make
def test_make_dubs_for_real(material):
    own = {"RENDERER": "paper-renderer.safetensors", "MOTION": "paper-motion.safetensors", "PREP": f"--size {SIZE}"}
    own |= {"RENDER": "--steps 2"}
    order = {"VIDEOS": "face.png", "VOICES": "voice.wav"} | own
    done = make(material, "-j2", **order)
    assert done.returncode == 0, done.stderr
    assert len(list(read_frames(material / "out" / "face-voice.mp4"))) == 10
    assert make(material, "-q", **order).returncode == 0


@needs_make
def test_make_prepares_each_video_and_each_audio_file_once(stage):
    assert make(stage, "-j2").returncode == 0
    counts = {"dd-prep": 2, "dd-encode": 2, "dd-audio": 2, "dd-generate": 4, "dd-render": 4}
    assert calls(stage) == sorted(name for name, count in counts.items() for _ in range(count))
    assert sorted(path.name for path in (stage / "out").glob("*.mp4")) == ["a-x.mp4", "a-y.mp4", "b-x.mp4", "b-y.mp4"]
    assert make(stage, "-q").returncode == 0


@needs_make
@pytest.mark.parametrize(
    ("touched", "made_again"),
    [
        ("y.wav", ["dd-audio"] + ["dd-generate"] * 2 + ["dd-render"] * 2),
        ("b.mp4", ["dd-encode"] + ["dd-generate"] * 2 + ["dd-prep"] + ["dd-render"] * 2),
        ("out/a-x.mp4", []),
        ("out/stages/a-x.motion.npy", ["dd-render"]),
    ],
)
def test_make_does_only_what_changed(stage, touched, made_again):
    make(stage)
    calls(stage)
    later = max(path.stat().st_mtime for path in stage.rglob("*")) + 1
    os.utime(stage / touched, (later, later))
    run(stage, "touch", "calls")
    assert make(stage).returncode == 0
    assert calls(stage) == made_again


@needs_make
def test_make_leaves_nothing_half_made(stage):
    (stage / "bin" / "dd-generate").write_text(STAND_IN + "exit 1\n")
    failed = make(stage, "-k")
    assert failed.returncode == 2
    assert sorted(path.name for path in (stage / "out").rglob("*.*")) == [
        "a.h5", "a.latents.npy", "b.h5", "b.latents.npy", "x.speech.npy", "y.speech.npy",
    ]  # fmt: skip


@needs_make
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"VOICES": "my voice.wav"}, "no such file: my voice.wav (names with spaces do not work here)"),
        ({"VIDEOS": ""}, "name the videos and the audio files"),
        ({"VIDEOS": "a.mp4 ./a.mp4"}, "two of the VIDEOS have the same name"),
        ({"VIDEOS": "a.mp4 a-b.mp4", "VOICES": "b-c.wav c.wav"}, "two of the results have the same name"),
        ({"OUT": "my videos"}, "OUT and STAGES must be names without spaces"),
    ],
)
def test_make_says_what_it_cannot_do(stage, variables, said):
    for name in ("my voice.wav", "a-b.mp4", "b-c.wav", "c.wav"):
        (stage / name).touch()
    refused = make(stage, "-n", **variables)
    assert refused.returncode == 2
    assert said in refused.stderr


@pytest.fixture
def evaluation(stage) -> Path:
    """`stage` with a folder of two videos, and commands that are needed to score the default models."""
    (stage / "people").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (stage / name).rename(stage / "people" / name)
    for command in ("dd-prep", "dd-encode", "dd-dub", "dd-eval", "python"):
        (stage / "bin" / command).write_text(DUB_STAND_IN if command == "dd-dub" else NOTE_ONLY)
        (stage / "bin" / command).chmod(0o755)
    (stage / "results" / "leak").mkdir(parents=True)
    (stage / "results" / "leak" / "silence.wav").touch()
    return stage


def test_the_default_models_are_scored_from_true_and_from_generated_latents(evaluation):
    done = run(evaluation, "sh", EXAMPLES / "evaluate-default.sh", "people", "results")
    assert done.returncode == 0, done.stderr
    lines = (evaluation / "calls").read_text().splitlines()
    assert calls(evaluation) == sorted(
        ["dd-prep", "dd-encode", *["dd-render", "dd-dub", "dd-eval"] * 2, "dd-dub", "python"]
    )
    (rendering,) = (line for line in lines if line.startswith("dd-render results/clips/b.h5"))
    assert "--latents results/latents/b.npy" in rendering and "-o results/true-latents/b.mp4" in rendering
    assert "dd-dub people/a.mp4 people/a.mp4 -o results/own-audio/a.mp4" in lines
    scoring, *leak, portraits = lines[-4:]
    assert leak == [
        "dd-dub --batch results/leak/dub.tsv --resume",
        "dd-eval results/leak/compare.tsv --json results/leak/scores.json --markdown results/leak/scores.md",
    ]
    assert "one_shot.py people/a.mp4" in portraits
    assert scoring.startswith("dd-eval results/true-latents results/own-audio --truth people --baseline")
    assert scoring.endswith("--region mask")


def test_published_videos_are_scored_against_those_truths_that_they_have(evaluation):
    (evaluation / "others" / "diffdub").mkdir(parents=True)
    (evaluation / "others" / "diffdub" / "b.mp4").touch()
    done = run(evaluation, "sh", EXAMPLES / "evaluate-default.sh", "people", "results", PUBLISHED="others")
    assert done.returncode == 0, done.stderr
    lines = (evaluation / "calls").read_text().splitlines()
    (scoring,) = (line for line in lines if line.startswith("dd-eval results/diffdub"))
    assert scoring == "dd-eval results/diffdub --truth people/b.mp4 --markdown results/diffdub.md --region mask"
    assert (evaluation / "results" / "diffdub" / "b.mp4").exists()


def test_scoring_shows_its_usage(evaluation):
    done = run(evaluation, "sh", EXAMPLES / "evaluate-default.sh", "people")
    assert (done.returncode, done.stderr) == (2, "usage: evaluate-default.sh FOLDER-OF-VIDEOS RESULTS\n")
