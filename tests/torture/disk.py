"""Trouble with the disk and the clock: it is full, read-only or removed, inputs change, and time runs backwards."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from torture import sandbox
from torture.bench import Bench, Result, differing, failed_or
from torture.rules import faults_of_end, faults_of_files
from torture.sandbox import Outcome
from torture.tasks import TRAIN_AE, TRAIN_SEQ, WRITING, Task

PAGE = 4096  # bytes; the grain of a tmpfs


def run(bench: Bench, seed: int, case: int) -> Result:
    """Give one task one trouble."""
    random = np.random.default_rng((seed, case))
    # The numbers of both have no common factor, so every pair gets its turn.
    trouble, task = TROUBLES[case % len(TROUBLES)], WRITING[case % len(WRITING)]
    reference = bench.reference(task)
    faults, outcome = trouble(bench, task, random)
    faults = faults_of_end(outcome, task.command) + faults
    name = trouble.__name__.replace("_", " ")
    notes = f"{task.line}\n{name}\n{outcome}\n{outcome.errors}"
    return Result(task.command, reference.faults + [f"{name}: {fault}" for fault in faults], notes)


def full_disk(bench: Bench, task: Task, random: np.random.Generator) -> tuple[list[str], Outcome]:
    """``out`` has room for a part of the outputs."""
    size = sum(map(len, bench.reference(task).files.values()))
    room = int(size * random.uniform(0, 1.2))
    bench.fresh(task)
    if not can_mount(bench.root):
        return _checked(bench, task, lambda: bench.start(task, prepare=partial(sandbox.limit_files, room)).wait())
    with mounted(bench.case / "out", f"size={max(1, room // PAGE) * PAGE}"):
        return _checked(bench, task, lambda: bench.start(task).wait())


def read_only(bench: Bench, task: Task, random: np.random.Generator) -> tuple[list[str], Outcome]:
    """Nothing can be written to ``out``."""
    bench.fresh(task)
    if can_mount(bench.root):
        with mounted(bench.case / "out", "ro"):
            return _checked(bench, task, lambda: bench.start(task).wait())
    (bench.case / "out").chmod(0o500)  # which does not stop root
    return _checked(bench, task, lambda: bench.start(task).wait())


def removed_folder(bench: Bench, task: Task, random: np.random.Generator) -> tuple[list[str], Outcome]:
    """``out`` disappears at a random moment."""
    bench.fresh(task)

    def act() -> Outcome:
        running = bench.start(task)
        time.sleep(random.uniform(0, 1) * bench.reference(task).seconds)
        (bench.case / "out").rename(bench.root / "gone")
        outcome = running.wait()
        shutil.rmtree(bench.root / "gone")
        return outcome

    return _checked(bench, task, act)


def changed_input(bench: Bench, task: Task, random: np.random.Generator) -> tuple[list[str], Outcome]:
    """Another file takes the place of an input at a random moment, as when an editor saves it."""
    inputs = [name for name in task.inputs(bench.material) if bench.alternative(name).exists()]
    name = str(random.choice(inputs))
    old, new = bench.reference(task), bench.reference(task, changed=name)
    bench.fresh(task)
    running = bench.start(task)
    time.sleep(random.uniform(0, 0.9) * old.seconds)
    shutil.copy(bench.alternative(name), bench.root / "next")
    (bench.root / "next").replace(bench.case / name)
    outcome = running.wait()
    if outcome.status or task in (TRAIN_AE, TRAIN_SEQ):  # which read a sample when they need it
        return [], outcome
    made = bench.finished(task)
    others = [differing(made, one.files) for one in (old, new)]
    if not all(others):
        return [], outcome
    shown = " and ".join(", ".join(names) for names in others)
    return [f"a mixture of two versions of *{Path(name).suffix}: not the old nor the new {shown}"], outcome


def clock_backwards(bench: Bench, task: Task, random: np.random.Generator) -> tuple[list[str], Outcome]:
    """Every look at the clock shows an hour less than the one before."""
    bench.fresh(task)
    outcome = bench.start(task, prepare=turn_clock_back).wait()
    faults = failed_or(outcome, bench.finished(task) == bench.reference(task).files, "another result")
    return faults + (["fails"] if outcome.status else []), outcome


TROUBLES = (full_disk, read_only, removed_folder, changed_input, clock_backwards)
COUNT = len(TROUBLES) * len(WRITING) * 6


def turn_clock_back() -> None:
    """In a process of `sandbox.start`."""
    now = [time.time()]

    def earlier() -> float:
        now[0] -= 3600
        return now[0]

    time.time, time.time_ns = earlier, lambda: int(earlier() * 1e9)


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a tmpfs."""
    place = folder / "mount"
    place.mkdir(exist_ok=True)
    if not _mount(place, "size=4096"):
        return False
    subprocess.run(["umount", place], check=True)
    return True


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A tmpfs at `folder`."""
    if not _mount(folder, options):
        raise RuntimeError(f"cannot mount a tmpfs with {options} at {folder}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    return bool(shutil.which("mount")) and subprocess.run(command, capture_output=True).returncode == 0


def _checked(bench: Bench, task: Task, act: Callable[[], Outcome]) -> tuple[list[str], Outcome]:
    """What `act` leaves: nothing temporary, and if it claims success, what it always makes."""
    before = sandbox.contents(bench.case)
    outcome = act()
    after = sandbox.contents(bench.case)
    faults = faults_of_files(before, after, task.kept)
    files = bench.finished(task)
    is_there = (bench.case / "out").is_dir()  # after success it may be removed with all that is in it
    expected = bench.reference(task).files
    return faults + failed_or(outcome, not is_there or files == expected, "claims success with another result"), outcome
