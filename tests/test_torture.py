"""The torture harness: it notices every kind of fault, and a sample of its cases finds none in the commands."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from factories import dummy_clip
from torture import sandbox
from torture.mutations import damage_item, damage_member, mutate
from torture.rules import faults_of_content, faults_of_end, faults_of_files

TESTS = Path(__file__).parent

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs fork and /proc")


def say(line: str, status: int = 1) -> None:
    print(line, file=sys.stderr)
    sys.exit(status)


def stop_when_told() -> None:
    signal.signal(signal.SIGTERM, lambda *_: say("dd-x: terminated", 1))
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("work", "sent", "faults"),
    [
        (lambda: None, None, []),
        (lambda: say("dd-x: cannot read 'a'"), None, []),
        (lambda: say("dd-x: interrupted", 130), signal.SIGINT, []),
        (lambda: say("dd-x: terminated", 143), None, ["exit status 143: dd-x: terminated"]),
        (stop_when_told, signal.SIGTERM, ["exit status 1 after SIGTERM: dd-x: terminated"]),
        (lambda: say("libx: error 17"), None, ["a line that is not the command's: libx: error N"]),
        (lambda: say("dd-x: a\n" * 9 + "dd-x: b"), None, ["more than a few error lines"]),
        (lambda: sys.exit(1), None, ["fails without a word"]),
        (lambda: 1 / 0, None, ["traceback: ZeroDivisionError"]),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), None, ["dies of SIGKILL"]),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), signal.SIGKILL, []),
        (lambda: time.sleep(60), None, ["hangs"]),
        (lambda: bytearray(b"1") * (1 << 29) and time.sleep(60), None, ["takes more than 2 GB"]),
        (lambda: subprocess.Popen(["sleep", "60"]) and None, None, ["leaves sleep running"]),
    ],
)
def test_the_end_of_a_run_is_judged(work, sent, faults, tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "GRACE", 0.3)
    _, resident, shared = map(int, Path("/proc/self/statm").read_text().split()[:3])
    private = (resident - shared) * os.sysconf("SC_PAGE_SIZE")  # what the run begins with, as a fork of this process
    monkeypatch.setattr(sandbox, "MEMORY_LIMIT", private + (300 << 20))
    sandbox.fresh(tmp_path / "case", tmp_path, [])
    running = sandbox.start(work, tmp_path / "case", tmp_path)
    outcome = running.wait(limit=5)
    assert faults_of_end(outcome, "dd-x", sent=sent) == faults
    assert sandbox.remaining(running.pid) == [], "the sandbox ends what is left"


@pytest.mark.parametrize(
    ("after", "kept", "faults"),
    [
        ({"a.h5": b"1", "out/b.npy": b"2"}, (), []),
        ({"a.h5": b"2"}, (), ["changes a file that is no output: a.hN"]),
        ({}, (), ["changes a file that is no output: a.hN"]),
        ({"a.h5": b"1", "tmp/x": b""}, (), ["leaves a temporary file: tmp/x"]),
        ({"a.h5": b"1", "out/.b.part.npy": b""}, ("out/*",), ["leaves a temporary file: out/.b.part.npy"]),
        ({"a.h5": b"1", "out/b.mp4.parts/1": b""}, (), ["leaves a temporary file: out/b.mpN.parts/N"]),
        ({"a.h5": b"1", "out/b.mp4.parts/1": b""}, ("out/*.parts",), []),
    ],
)
def test_what_a_run_leaves_is_judged(after, kept, faults):
    assert faults_of_files({"a.h5": b"1"}, after, kept) == faults


@pytest.mark.parametrize("suffix", ["h5", "npy", "safetensors", "png", "mp4", "json"])
def test_half_an_output_is_noticed(suffix, tmp_path):
    (tmp_path / f"half.{suffix}").write_bytes(b"{\x00")
    assert faults_of_content(tmp_path, [f"half.{suffix}"])[0].startswith(f"writes an unreadable *.{suffix}: ")


def test_damage_inside_of_containers_leaves_them_readable(tmp_path):
    clip, archive = dummy_clip(tmp_path / "clip.h5").read_bytes(), dummy_archive(tmp_path / "archive.pth")
    for seed in range(30):
        with h5py.File(io.BytesIO(damage_item(clip, np.random.default_rng(seed)))) as file:
            assert file.attrs.keys() or file.keys()
        with zipfile.ZipFile(io.BytesIO(damage_member(archive, np.random.default_rng(seed)))) as damaged:
            assert damaged.testzip() is None


def dummy_archive(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "data/0", "version"):
            archive.writestr(name, bytes(range(100)))
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".tsv", ".npy", ".safetensors"])
def test_damage_depends_on_the_seed_only(suffix):
    content = bytes(range(256)) * 20

    def damaged(seed: int) -> bytes:
        return mutate(content, content[::-1], suffix, np.random.default_rng(seed))[1]

    assert [damaged(seed) for seed in range(50)] == [damaged(seed) for seed in range(50)]
    assert sum(damaged(seed) != content for seed in range(50)) > 40


@pytest.mark.slow
def test_a_sample_of_the_torture_finds_no_fault():
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "torture", "--sample", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
