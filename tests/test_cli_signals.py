"""Ctrl-C, SIGTERM, SIGHUP and SIGUSR1: exit statuses, and that nothing half-written and no child process remains."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from factories import DummyDetector, dummy_face_landmarks, dummy_lossless_video, dummy_marked_face
from studio import MODELS, call_in

from dd_tools.diffdub.motion_data import MotionData
from dd_tools.formats.clip import Clip
from dd_tools.stopping import SIGNALS, Stopped, stop_on_signals
from dd_tools.warp.renderer_data import RendererData

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs the signals of POSIX")

STATUSES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGUSR1": 75}
LINES = [
    "dd-prep portrait.png -o out.h5 --size 32",
    "dd-audio voice.wav --model mel -o out.npy",
    "dd-encode clip.h5 --renderer r.safetensors -o out.npy",
    "dd-generate speech.npy --motion m.safetensors --reference latents.npy -o out.npy",
    "dd-render clip.h5 --renderer r.safetensors --latents latents.npy -o out.mp4",
    f"dd-dub portrait.png voice.wav {MODELS} -o out.mp4",
    "dd-eval true.mp4 --truth true.mp4 --json out.json",
    "dd-eval true.mp4 --truth true.mp4 --html out",
    "dd-import stage1.ckpt -o out.safetensors",
]


@pytest.fixture
def place(studio, monkeypatch):
    monkeypatch.chdir(studio)
    monkeypatch.setattr("dd_tools.evaluation.run.has_audio", lambda path: False)
    return studio


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def signal_before_rename(monkeypatch, number: int, name: str = "") -> None:
    """Send a signal to this process when a temporary file is complete, but not yet renamed.

    name: of the file that it would become; empty for the first one.
    """
    sent = []

    def replace(source, target):
        if not sent and name in ("", Path(target).name):
            sent.append(target)
            os.kill(os.getpid(), number)
        os_replace(source, target)

    os_replace = os.replace
    monkeypatch.setattr("dd_tools.formats.atomic.os.replace", replace)


def test_every_signal_has_a_status_of_its_own():
    assert [number.name for number in SIGNALS] == list(STATUSES)
    assert len({0, 1, 2, *STATUSES.values()}) == 7


@pytest.mark.parametrize("name", STATUSES)
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split()[0])
def test_a_signal_leaves_the_old_file_and_no_other(place, monkeypatch, line, name):
    if "--html" not in line:
        Path(line.split()[-1]).write_text("old")
    if line.startswith("dd-eval"):
        monkeypatch.setattr("dd_tools.face.detectors.registry.open_detector", lambda name, **options: DummyDetector())
    before = content(place)
    handlers = [signal.getsignal(number) for number in SIGNALS]
    signal_before_rename(monkeypatch, signal.Signals[name])
    outcome = call_in(place, line)
    said = "interrupted" if name == "SIGINT" else f"stopped by {name}"
    assert (outcome.status, outcome.errors.splitlines()[-1]) == (STATUSES[name], f"{line.split()[0]}: {said}")
    assert content(place) == before
    assert [signal.getsignal(number) for number in SIGNALS] == handlers


TRAINING = "dd-train-seq latents --speech speech --preset tiny --steps 40 --save-every 40 -o out.safetensors"


def signal_before_batch(monkeypatch, data: type, number: int, count: int) -> list[int]:
    """Send a signal before batch number `count` is drawn. Returns a list that gets an entry for every batch."""
    draw, sizes = data.batch, []

    def batch(self, generator, size):
        sizes.append(size)
        if len(sizes) == count:
            os.kill(os.getpid(), number)
        return draw(self, generator, size)

    monkeypatch.setattr(data, "batch", batch)
    return sizes


@pytest.mark.parametrize("name", STATUSES)
def test_a_training_saves_its_state_first(place, monkeypatch, name):
    batches = signal_before_batch(monkeypatch, MotionData, signal.Signals[name], 3)
    outcome = call_in(place, TRAINING)
    saved, stopped = outcome.errors.splitlines()[-2:]
    assert outcome.status == STATUSES[name]
    assert saved == "dd-train-seq: the training state is saved, continue with --resume"
    assert stopped == f"dd-train-seq: {'interrupted' if name == 'SIGINT' else f'stopped by {name}'}"
    assert Path("out.state.safetensors").exists() and not Path("out.safetensors").exists()
    assert call_in(place, f"{TRAINING} --resume").status == 0
    assert len(batches) == 40 + 1, "the one that was loaded when the signal had come is loaded again"


@pytest.mark.parametrize("name", STATUSES)
def test_adapting_ends_with_the_status_of_the_signal(place, monkeypatch, name):
    monkeypatch.setattr("dd_tools.pipeline.adapt._seconds_per_step", lambda *_: 1)
    signal_before_batch(monkeypatch, RendererData, signal.Signals[name], 3)
    line = f"dd-dub portrait.png voice.wav {MODELS} -o out.mp4 --adapt 0.1"
    outcome = call_in(place, line)
    assert outcome.status == STATUSES[name]
    assert "dd-dub: what is finished of 'out.mp4' is kept, continue with --resume\n" in outcome.errors
    assert Path("out.mp4.parts", "adapted.state.safetensors").exists() and not Path("out.mp4").exists()
    assert call_in(place, f"{line} --resume").status == 0
    assert Path("out.mp4").exists() and not Path("out.mp4.parts").exists()


def test_ctrl_c_before_the_command_begins_is_one_line(place, monkeypatch):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dd_tools.cli.command.typer.Typer", interrupt)
    outcome = call_in(place, LINES[1])
    assert (outcome.status, outcome.errors) == (130, "dd-audio: interrupted\n")


@pytest.mark.parametrize("line", LINES[4:6], ids=lambda line: line.split()[0])
def test_what_is_finished_of_a_video_is_kept(place, monkeypatch, line):
    with monkeypatch.context() as patch:
        signal_before_rename(patch, signal.SIGUSR1, name="out.mp4")
        outcome = call_in(place, line)
    assert outcome.status == 75
    assert "what is finished of 'out.mp4' is kept, continue with --resume\n" in outcome.errors
    assert Path("out.mp4.parts/00000000.mp4").exists() and not Path("out.mp4").exists()
    monkeypatch.setattr("dd_tools.pipeline.output._write_part", None)  # nothing is left to render
    assert call_in(place, f"{line} --resume").status == 0
    assert Path("out.mp4").exists() and not Path("out.mp4.parts").exists()


def test_a_second_signal_does_not_interrupt_the_cleaning_up(place, monkeypatch):
    """make, schedulers and terminals send several."""
    before, unlink = content(place), Path.unlink

    def unlink_with_a_signal(path, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        unlink(path, **options)

    signal_before_rename(monkeypatch, signal.SIGINT)
    monkeypatch.setattr(Path, "unlink", unlink_with_a_signal)
    assert call_in(place, LINES[1]).status == 130
    monkeypatch.undo()
    assert content(place) == before


def test_a_signal_that_the_parent_ignores_is_ignored(place, monkeypatch):
    """As nohup ignores SIGHUP, and a shell Ctrl-C for its background jobs."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signal_before_rename(monkeypatch, signal.SIGHUP)
        assert call_in(place, LINES[1]).status == 0
    finally:
        signal.signal(signal.SIGHUP, previous)


@pytest.mark.parametrize("cause", [ValueError("no cause"), None])
def test_a_signal_that_becomes_another_error_is_not_lost(cause):
    """As Python does while it creates a class, and code that turns any exception into one of its own."""
    with pytest.raises(Stopped) as stopped, stop_on_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except BaseException:
            raise RuntimeError("cannot create a class") from cause
    assert stopped.value.number == signal.SIGTERM


def test_a_temporary_file_whose_removal_was_interrupted_is_removed(place, monkeypatch):
    def interrupted(path, **options):
        monkeypatch.setattr(Path, "unlink", unlink)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    unlink, before = Path.unlink, content(place)
    monkeypatch.setattr(Path, "unlink", interrupted)
    monkeypatch.setattr("dd_tools.formats.atomic.os.replace", lambda *_: 1 / 0)
    outcome = call_in(place, LINES[1])
    assert (outcome.status, content(place)) == (143, before)


class Dying:
    """An object during whose destruction a signal arrives. Python ignores exceptions in destructors."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0)  # handlers run here at the latest


def test_a_signal_during_a_destructor_is_not_lost():
    with pytest.raises(Stopped) as stopped, stop_on_signals():
        one = Dying()
        del one
        time.sleep(5)
        pytest.fail("not stopped")
    assert stopped.value.number == signal.SIGUSR1
    with pytest.raises(Stopped), stop_on_signals():  # also if the command ends before the signal comes again
        Dying()


def long_video(place: Path, count: int) -> None:
    """Write long.mp4 of 384 × 384 pixels, and its landmarks to points.npy."""
    frames = [dummy_marked_face(0.1 + 0.02 * (number % 5)) for number in range(count)]
    dummy_lossless_video(place / "long.mp4", [np.kron(frame, np.ones((4, 4, 1), np.uint8)) for frame in frames])
    np.save(place / "points.npy", np.stack([4 * dummy_face_landmarks(opening=0.1)] * count))


@pytest.mark.parametrize("call", [1, 5])
def test_hdf5_is_not_interrupted_while_it_writes(place, call):
    """It would crash at exit, or not notice; so this is a process of its own."""
    program = f"""
import os, signal
from dd_tools.formats import hdf5_output

calls = []

def interrupted(content):  # in the middle of Hdf5Output.write, which HDF5 calls
    calls.append(0)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGTERM)
    return memoryview(content)

hdf5_output.memoryview = interrupted
from dd_tools.cli.prep import run
run()
"""
    long_video(place, 200)
    before = content(place)
    options = ["long.mp4", "-o", "out.h5", "--landmarks", "points.npy"]
    ended = subprocess.run([sys.executable, "-c", program, *options], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (143, "dd-prep: stopped by SIGTERM")
    if (place / "out.h5").exists():  # the signal was handled when it was complete
        with Clip(place / "out.h5") as clip:
            assert clip.length == 200
        (place / "out.h5").unlink()
    assert content(place) == before


def processes_of(session: int) -> list[str]:
    """The programs that run in a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text(errors="replace").rpartition(") ")
        except OSError:  # ended meanwhile
            continue
        state, _, _, own, *_ = fields.split()
        if int(own) == session and state != "Z":
            found.append(name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("name", STATUSES)
def test_no_child_process_remains(place, monkeypatch, name):
    """While ffmpeg decodes the source and encodes the output."""
    long_video(place, 400)
    assert call_in(place, "dd-prep long.mp4 -o long.h5 --size 32 --landmarks points.npy").status == 0
    np.save(place / "long.npy", np.repeat(np.load(place / "latents.npy")[:1], 400, 0))
    before = content(place)
    command = [sys.executable, "-c", "from dd_tools.cli.render import run; run()"]
    options = ["long.h5", "--renderer", "r.safetensors", "--latents", "long.npy", "-o", "out.mp4"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said = [process.stderr.readline()]
        assert "rendering: " in said[0], said
        assert len(processes_of(process.pid)) > 1
        process.send_signal(signal.Signals[name])
        said += process.stderr.readlines()
        assert process.wait() == STATUSES[name], said
        assert not [line for line in said if not line.startswith("dd-render: ")]
        deadline = time.monotonic() + 5
        while processes_of(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert processes_of(process.pid) == []
        assert content(place) == before
    finally:
        process.kill()
