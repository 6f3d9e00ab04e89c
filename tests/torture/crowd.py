"""Four runs of a command at once in one folder: with the same target, or with a target each."""

import time
from pathlib import Path

import numpy as np

from torture import sandbox
from torture.bench import Bench, Result, differing
from torture.rules import faults_of_end, is_temporary
from torture.tasks import WRITING, Task

SIZE = 4
COUNT = 2 * len(WRITING) * 10


def run(bench: Bench, seed: int, case: int) -> Result:
    """Start one task four times, one shortly after the other."""
    random = np.random.default_rng((seed, case))
    task, is_same = WRITING[case % len(WRITING)], case % 2 == 0  # the number of tasks is odd: each gets both
    reference = bench.reference(task)
    bench.fresh(task)
    running = []
    for number in range(SIZE):
        line = task.line if is_same else task.line.replace("out/", f"out/{number}-")
        running.append(bench.start(task, line, name=str(number)))
        time.sleep(random.uniform(0, 0.3) * reference.seconds)
    outcomes = [one.wait() for one in running]
    faults = [fault for outcome in outcomes for fault in faults_of_end(outcome, task.command)]
    statuses = [outcome.status for outcome in outcomes]
    if not faults:
        faults = _one_target(bench, task, statuses) if is_same else _own_targets(bench, task, statuses)
    name = "the same target" if is_same else "a target each"
    errors = "\n".join(f"{outcome.status}: {outcome.errors}" for outcome in outcomes)
    return Result(task.command, reference.faults + [f"{name}: {one}" for one in faults], f"{task.line}\n{errors}")


def _one_target(bench: Bench, task: Task, statuses: list[int]) -> list[str]:
    """One complete result, whoever made it, and nothing else."""
    files, expected = bench.finished(task), bench.reference(task).files
    faults = [] if 0 in statuses else ["all fail"]
    if others := differing(files, expected):
        faults.append(f"leaves a temporary file: {_kind(others[0])}" if is_temporary(others[0]) else "another result")
    return faults


def _own_targets(bench: Bench, task: Task, statuses: list[int]) -> list[str]:
    """Everybody's result."""
    expected = bench.reference(task).files
    faults = ["one fails"] if any(statuses) else []
    files = {name: data for name, data in sandbox.contents(bench.case).items() if name.startswith("out/")}
    for number in range(SIZE):
        own = {name.replace(f"out/{number}-", "out/"): data for name, data in files.items() if f"/{number}-" in name}
        faults += [
            f"another result: {_kind(name)}" for name in differing({**expected, **own}, expected) if name in expected
        ]
    return list(dict.fromkeys(faults))


def _kind(name: str) -> str:
    return "".join(Path(name).suffixes) or name
