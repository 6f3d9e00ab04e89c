"""Where cases run: the material, the folder of the present case, and what every task makes when nothing goes wrong."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from torture import material, sandbox
from torture.rules import faults_of_content, faults_of_end, is_temporary
from torture.sandbox import Outcome, Running
from torture.tasks import RESUMED, TRAIN_AE, TRAIN_SEQ, Task

OLD = b"the old file\n"


class Result(NamedTuple):
    """What a case found. command: that was tortured. faults: one line each. notes: for whoever repeats the case."""

    command: str
    faults: list[str]
    notes: str = ""


class Reference(NamedTuple):
    """The files in ``out`` that a task makes, by their path, and how long it takes in seconds; no files if it fails."""

    files: dict[str, bytes]
    seconds: float
    faults: list[str]


class Bench:
    """The folders of one run of the harness. root: an empty folder, with which this ends."""

    def __init__(self, root: Path):
        self.root = root
        self.material, self.case, self.streams = root / "material", root / "case", root / "streams"
        self._references: dict[tuple[Task, str], Reference] = {}
        self.streams.mkdir()
        self._work(lambda: material.make(self.material))
        for task in RESUMED:
            self.fresh(task)
            self._work(lambda task=task: material.interrupt(task))
            shutil.copytree(self.case / "out", self.material / "out", dirs_exist_ok=True)
        self.made = sandbox.contents(self.material)

    def _work(self, work: Callable[[], None]) -> None:
        """Do something outside of this process, which must stay without threads."""
        folder = self.case if self.case.exists() else self.root
        outcome = sandbox.start(work, folder, self.streams).wait(10 * sandbox.TIME_LIMIT)
        if outcome.status:
            raise RuntimeError(f"cannot make the material: {outcome.errors}")

    def fresh(self, task: Task, *, old: bool = False) -> list[str]:
        """Make the folder of a case of `task`; returns its inputs. old: with an old file under each target's name."""
        inputs = task.inputs(self.material)
        sandbox.fresh(self.case, self.material, inputs)
        for target in task.targets if old else ():
            if Path(target).suffix and "%" not in target:
                (self.case / target).write_bytes(OLD)
                shutil.os.utime(self.case / target, (0, 0))  # older than the inputs, so that it is not up to date
        return inputs

    def start(self, task: Task, line: str = "", prepare: Callable[[], object] = lambda: None, name="run") -> Running:
        """Start `task` in the folder of the case. line: instead of its own."""
        return sandbox.start(sandbox.command(line or task.line, prepare), self.case, self.streams, name)

    def finished(self, task: Task) -> dict[str, bytes]:
        """The files in ``out``, by their path, that only depend on the inputs: no log of a training."""
        skipped = task.kept if task in (TRAIN_AE, TRAIN_SEQ) else ()
        return {name: data for name, data in sandbox.contents(self.case, *skipped).items() if name.startswith("out/")}

    def reference(self, task: Task, changed: str = "") -> Reference:
        """What `task` makes; made twice, as it must be the same. changed: an input taken from the alternative."""
        if (task, changed) not in self._references:
            self._references[task, changed] = self._make_reference(task, changed)
        return self._references[task, changed]

    def _make_reference(self, task: Task, changed: str) -> Reference:
        files, faults, seconds = [], [], 0.0
        for _ in range(1 if changed else 2):
            self.fresh(task)
            if changed:
                shutil.copy(self.alternative(changed), self.case / changed)
            outcome = self.start(task).wait()
            faults += faults_of_end(outcome, task.command)
            files.append({} if outcome.status else self.finished(task))
            seconds = outcome.seconds
        if files[0] != files[-1]:
            faults.append(f"is not repeatable: {', '.join(differing(files[0], files[-1]))}")
        if not changed and not all(files):
            faults.append(f"fails on good inputs: {outcome.errors.strip()}")
        return Reference(files[-1], seconds, faults + faults_of_content(self.case, list(files[-1])))

    def alternative(self, name: str) -> Path:
        """Another input of the name; it may not exist."""
        return self.material / material.ALTERNATIVE / name

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """A list that, at the end, has the faults outside of the folder of the case."""
        before, faults = set(self.root.iterdir()), []
        yield faults
        faults += [f"writes outside of its folder: {path.name}" for path in set(self.root.iterdir()) - before]

    def is_material_intact(self) -> bool:
        return sandbox.contents(self.material) == self.made


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Names of the files that are not the same."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def mixture(files: dict[str, bytes], *allowed: dict[str, bytes]) -> list[str]:
    """Names of files that are in no set of `allowed` files as they are here; temporary ones are left aside."""
    return [
        name
        for name, content in files.items()
        if not is_temporary(name) and content not in [one.get(name) for one in allowed]
    ]


def failed_or(outcome: Outcome, condition: bool, fault: str) -> list[str]:
    """The fault, if the run claims success but the condition does not hold."""
    return [] if outcome.status or condition else [fault]
