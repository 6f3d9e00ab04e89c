"""examples/gpu.sh checks, measures and trains, here on the CPU and tiny; clips travel to it packed."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from factories import dummy_clip, dummy_renderer
from test_examples import EXAMPLES, run

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import RENDERER, read_checkpoint
from dd_tools.formats.clip import Clip

PROGRAMS = EXAMPLES / "gpu"
PARTS = [
    "environment", "tests", "agreement with the CPU", "throughput", "training", "loss curve", "weights",
    "held-out faces",
]  # fmt: skip
TINY = {
    "DEVICE": "cpu", "TRAIN": "tiny", "BATCH": 2, "DTYPE": "fp32", "WORKERS": 0, "STEPS": 4, "FRAMES": 1, "SAMPLING": 1,
    "PRESET": "tiny", "BATCHES": 1, "COMPILED": "", "MEASURE": 20, "PEAK_SIZE": 64, "OUT": "results",
}  # fmt: skip

# Stands in for Python: fails in one part, and leaves the weights that the training would.
STAND_IN = """#!/bin/sh
echo "$@" >> calls
case $* in
*gpu_throughput*) exit 7 ;;
*train.py*) touch work/renderer.safetensors work/renderer.csv ;;
*environment.py*) echo "- torch: none" ;;
esac
"""


@pytest.fixture
def programs(monkeypatch):
    """Imports a program of examples/gpu by its name."""
    monkeypatch.syspath_prepend(PROGRAMS)
    return importlib.import_module


def verdicts(folder: Path) -> dict[str, str]:
    """What the summary says of every part, in order."""
    _, _, table = (folder / "results" / "summary.md").read_text().partition("## Parts")
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]
    return {row[0]: row[-1] for row in rows}


@pytest.fixture
def stage(tmp_path) -> Path:
    """A folder with clips of 96 px and weights of a tiny diffdub renderer for them."""
    for folder in ("clips", "held"):
        (tmp_path / folder).mkdir()
        dummy_clip(tmp_path / folder / "a.h5", size=96)
    dummy_renderer(tmp_path / "tiny.safetensors", size=96)
    return tmp_path


@pytest.mark.slow
def test_all_parts_run_in_order(stage):
    own = {"CLIPS": "clips", "HELD": "held", "INIT": "tiny.safetensors", "PYTHON": sys.executable}
    done = run(stage, "sh", EXAMPLES / "gpu.sh", 5, **TINY, **own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(stage) == dict.fromkeys(PARTS, "done")
    results = {path.name: path.stat().st_size for path in (stage / "results").rglob("*")}
    assert set(results) == {
        "summary.md", "environment.txt", "log.txt", "renderer.safetensors", "loss.csv", "loss.png", "faces.png",
    }  # fmt: skip
    assert min(results.values()) > 0 and max(results.values()) < 2**24
    tensors = read_checkpoint(stage / "results" / "renderer.safetensors", RENDERER).tensors
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"torch.float16"}
    summary = (stage / "results" / "summary.md").read_text()
    for shown in ("torch: ", "| paint | tiny.safetensors |", "| bf16, channels last | 1 |", "4 steps", "| mean of 1 |"):
        assert shown in summary
    assert summary in done.stdout


def test_a_part_that_fails_is_noted_and_the_others_follow(stage):
    (stage / "python").write_text(STAND_IN)
    (stage / "python").chmod(0o755)
    own = {"CLIPS": "clips", "HELD": "held", "PYTHON": "./python", "WORK": "work"}
    done = run(stage, "sh", EXAMPLES / "gpu.sh", 5, **TINY, **own)
    assert done.returncode == 1
    assert verdicts(stage) == dict.fromkeys(PARTS, "done") | {"throughput": "**failed** (exit status 7)"}
    assert len((stage / "calls").read_text().splitlines()) == len(PARTS)


def test_a_renderer_is_distilled_instead_and_measured(stage):
    """The student paints in its own number of steps."""
    (stage / "python").write_text(STAND_IN)
    (stage / "python").chmod(0o755)
    own = {"CLIPS": "clips", "HELD": "held", "PYTHON": "./python", "WORK": "work", "INIT": "tiny.safetensors"}
    run(stage, "sh", EXAMPLES / "gpu.sh", 5, **TINY, **own, DISTILL="t.safetensors", STEPS_OUT=1, TRUNK="alex.pth")
    assert list(verdicts(stage)) == [*PARTS, "few steps"]
    calls = {Path(line.split()[0]).name: line.split() for line in (stage / "calls").read_text().splitlines()}
    training, sheet, few = calls["train.py"], calls["renderer_sheet.py"], calls["few_steps.py"]
    assert training[training.index("--distill") :][:4] == ["--distill", "t.safetensors", "--steps-out", "1"]
    assert not {"--init", "--preset"} & set(training) and "--steps" not in sheet
    assert few[1:] == [
        "t.safetensors", "work/renderer.safetensors", "--clips", "held/a.h5", "--device", "cpu", "--trunk", "alex.pth",
    ]  # fmt: skip


@pytest.mark.slow
def test_distillation_runs_from_end_to_end(stage):
    own = {"CLIPS": "clips", "HELD": "held", "DISTILL": "tiny.safetensors", "PYTHON": sys.executable}
    done = run(stage, "sh", EXAMPLES / "gpu.sh", 5, **TINY, **own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(stage) == dict.fromkeys([*PARTS, "few steps"], "done")
    assert read_checkpoint(stage / "results" / "renderer.safetensors", RENDERER).config["timesteps"] == [999, 250]


def test_a_part_that_takes_too_long_is_stopped(stage):
    (stage / "python").write_text("#!/bin/sh\ncase $* in *gpu_throughput*) exec sleep 60 ;; esac\n")
    (stage / "python").chmod(0o755)
    own = TINY | {"CLIPS": "clips", "PYTHON": "./python", "MEASURE": -24, "TRAIN": "none"}
    done = run(stage, "sh", EXAMPLES / "gpu.sh", 5, **own)
    assert done.returncode == 1
    assert verdicts(stage)["throughput"] == "**stopped after 1 s**"
    assert verdicts(stage)["training"] == "skipped"


def test_usage(stage):
    done = run(stage, "sh", EXAMPLES / "gpu.sh", "long")
    assert (done.returncode, done.stderr) == (2, "usage: gpu.sh [MINUTES]\n")
    done = run(stage, "sh", EXAMPLES / "gpu-clips.sh", "clips")
    assert (done.returncode, done.stderr) == (2, "usage: gpu-clips.sh CLIPS HELD-OUT-CLIPS [FOLDER]\n")


def test_a_packed_clip_is_unpacked_to_the_same_clip(programs, tmp_path):
    packed = programs("packed_clip")
    source, target = dummy_clip(tmp_path / "a.h5", frames=9, size=33, unusable=[0, 4], cuts=[3]), tmp_path / "b.h5"
    packed.pack(source, tmp_path / "a.npz", crf=4)
    assert packed.unpack(tmp_path / "a.npz", target) == 9
    with Clip(source) as before, Clip(target) as after:
        for name in ("landmarks", "crop_to_source", "pts", "status", "shot"):
            assert np.array_equal(getattr(after, name), getattr(before, name)), name
        assert np.array_equal(after.mask[:], before.mask[:])
        for name in ("source", "detector", "settings", "history", "face_size"):
            assert getattr(after, name) == getattr(before, name)
        assert np.abs(after.frames[:].astype(int) - before.frames[:]).mean() < 4
        assert np.abs(after.face[:].astype(int) - before.face[:]).mean() < 4
        assert not after.face[4].any()


def test_damaged_and_foreign_files_are_refused(programs, tmp_path):
    packed = programs("packed_clip")
    packed.pack(dummy_clip(tmp_path / "a.h5"), tmp_path / "a.npz", crf=20)
    with np.load(tmp_path / "a.npz") as archive:
        arrays = dict(archive)
    for name, value in (("pts", arrays["pts"][:-1]), ("about", arrays["about"][:-1]), ("video", arrays["video"][:9])):
        np.savez(tmp_path / "bad.npz", **arrays | {name: value})
        with pytest.raises(DataError, match="not a packed clip"):
            packed.unpack(tmp_path / "bad.npz", tmp_path / "bad.h5")
    np.savez(tmp_path / "bad.npz", **arrays | {"pts": np.array([{}])})  # a pickle
    with pytest.raises(DataError, match="allow_pickle"):
        packed.unpack(tmp_path / "bad.npz", tmp_path / "bad.h5")
    assert not (tmp_path / "bad.h5").exists()


def test_planes_and_mask_changes_lose_nothing(programs):
    packed, random = programs("packed_clip"), np.random.default_rng(0)
    values = random.normal(size=(7, 68, 2)).astype(np.float32)
    assert np.array_equal(packed.from_planes(packed.planes(values), np.float32, values.shape), values)
    masks = random.integers(0, 2, (7, 9, 9), dtype=np.uint8)
    assert np.array_equal(packed.from_mask_changes(packed.mask_changes(masks), 9), masks)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (1000, {"a": 100, "b": 100, "c": 60, "d": 3}),
        (120, {"a": 60, "b": 60, "c": 60, "d": 3}),
        (30, {"a": 25, "c": 30, "d": 3}),
    ],
)
def test_the_speaker_with_most_frames_loses_some_first(programs, limit, kept):
    counts = {Path("a.h5"): 100, Path("b.h5"): 100, Path("c.h5"): 60, Path("d.h5"): 3}
    found = programs("clips").allowances(counts, {"a": "one", "b": "one"}, limit)
    assert {path.stem: count for path, count in found.items()} == kept


def test_clips_are_packed_into_a_size_and_unpacked(tmp_path):
    for name, frames in (("a", 90), ("b", 90), ("c", 30)):
        dummy_clip(tmp_path / f"{name}.h5", frames=frames, unusable=[0])
    (tmp_path / "speakers.tsv").write_text("a\tone\nb\tone\n")
    inputs = [tmp_path / f"{name}.h5" for name in "abc"]
    command = [sys.executable, PROGRAMS / "clips.py", "pack", *inputs, "-o", tmp_path / "packed", "--processes", "1"]
    command += ["--size", 0.02, "--speakers", tmp_path / "speakers.tsv"]
    subprocess.run(list(map(str, command)), check=True)
    assert sum(path.stat().st_size for path in (tmp_path / "packed").iterdir()) <= 0.02 * 2**20
    command = [sys.executable, PROGRAMS / "clips.py", "unpack", tmp_path / "packed", "-o", tmp_path / "clips"]
    subprocess.run(list(map(str, command)), check=True)
    lengths = {}
    for path in (tmp_path / "clips").iterdir():
        with Clip(path) as clip:
            lengths[path.stem] = clip.length
    assert lengths["c"] == 29 and 0 < lengths["a"] < 89
    command = [sys.executable, PROGRAMS / "clips.py", "pack", *inputs, "-o", tmp_path / "none", "--size", -1]
    refused = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (1, "clips.py: no clips fit into -1.0 MiB\n")
    assert not list((tmp_path / "none").iterdir())


def test_steps_are_chosen_that_fit_into_the_time(programs):
    train = programs("train")
    rows = [(50, 10.0), (100, 15.0), (110, 16.0)]
    assert train.seconds_per_step(rows) == pytest.approx(0.1)
    assert train.seconds_per_step(rows[:1]) == pytest.approx(0.2)
    assert train.steps_that_fit(100, rows, start=5.0) == 110 + 850
    assert train.steps_that_fit(100, [], start=5.0) == 0


@pytest.mark.slow
def test_training_is_resumed_with_as_many_steps_as_fit(programs, tmp_path):
    """On a machine that has become busier meanwhile, it is stopped before its end."""
    (tmp_path / "clips").mkdir()
    dummy_clip(tmp_path / "clips" / "a.h5")
    command = [sys.executable, PROGRAMS / "train.py", tmp_path / "clips", "-o", tmp_path / "r.safetensors"]
    command += ["--seconds", 45, "--reserve", 5, "--preset", "tiny-warp", "--device", "cpu"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    chosen = int(re.search(r"(\d+) steps were chosen", done.stdout)[1])
    done_steps = programs("train").log_rows(tmp_path / "r.csv")[-1][0]
    assert chosen / 3 < done_steps <= chosen
    assert (tmp_path / "r.safetensors").exists() == (done_steps == chosen)


@pytest.mark.slow
def test_a_training_that_is_stopped_leaves_its_weights(programs, tmp_path):
    (tmp_path / "clips").mkdir()
    dummy_clip(tmp_path / "clips" / "a.h5")
    command = [sys.executable, PROGRAMS / "train.py", tmp_path / "clips", "-o", tmp_path / "r.safetensors"]
    command += ["--seconds", 20, "--reserve", 0, "--steps", 10**6, "--preset", "tiny", "--device", "cpu"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "stopped before its end" in done.stdout
    state, half = tmp_path / "r.state.safetensors", tmp_path / "half.safetensors"
    (path,) = programs("weights").write_halved(state, half)
    assert read_checkpoint(path, RENDERER).tensors.keys() == read_checkpoint(state, RENDERER).tensors.keys()


def test_large_weights_are_cut(programs, tmp_path):
    weights = programs("weights")
    source = dummy_renderer(tmp_path / "r.safetensors")
    (whole,) = weights.write_halved(source, tmp_path / "whole.safetensors")
    pieces = weights.write_halved(source, tmp_path / "cut.safetensors", largest=0.05)
    assert len(pieces) > 1 and not (tmp_path / "cut.safetensors").exists()
    assert b"".join(path.read_bytes() for path in pieces) == whole.read_bytes()
    with pytest.raises(DataError, match="1 are allowed"):
        weights.write_halved(source, tmp_path / "cut.safetensors", largest=0.05, most=1)
