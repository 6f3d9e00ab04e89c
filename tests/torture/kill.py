"""Kills at random moments. The target is the old file or the new one, and another run ends as if nothing had happened.

After SIGTERM and Ctrl-C nothing may be left but parts and training states to resume from. After SIGKILL temporary files
may stay, as nobody could remove them; the next run must not be hurt by them, and need not remove them.
"""

import signal
import time

import numpy as np

from torture import sandbox
from torture.bench import OLD, Bench, Result, differing, mixture
from torture.rules import faults_of_end, faults_of_files
from torture.tasks import WRITING, Task

# A hundred kills and terminations for twenty interruptions from the keyboard.
SIGNALS = (*[signal.SIGKILL, signal.SIGTERM] * 5, signal.SIGINT)
COUNT = len(WRITING) * 20 * len(SIGNALS)


def run(bench: Bench, seed: int, case: int) -> Result:
    """Kill one task once, then run it to its end."""
    random = np.random.default_rng((seed, case))
    task = WRITING[case % len(WRITING)]
    sent = SIGNALS[(case + case // len(WRITING)) % len(SIGNALS)]
    reference = bench.reference(task)
    bench.fresh(task, old=True)
    before = sandbox.contents(bench.case)
    running = bench.start(task)
    moment = random.uniform(0, 1.1) * reference.seconds
    time.sleep(moment)
    running.signal(sent, group=sent == signal.SIGINT)  # the terminal sends Ctrl-C to the children, too
    outcome = running.wait()
    faults = [f"{sent.name}: {one}" for one in faults_of_end(outcome, task.command, sent=sent)]
    if sent != signal.SIGKILL:
        faults += [f"{sent.name}: {one}" for one in faults_of_files(before, sandbox.contents(bench.case), task.kept)]
    old = dict.fromkeys(task.targets, OLD)
    faults += [f"{sent.name}: neither the old nor the new {one}" for one in _odd(bench, task, old, reference.files)]
    again, errors = _run_again(bench, task, reference.files)
    faults += [f"{sent.name}: {one}" for one in again]
    notes = f"{task.line}\n{sent.name} after {moment:.3f} s\n{outcome}\n{outcome.errors}\nthen: {errors}"
    return Result(task.command, reference.faults + faults, notes)


def _odd(bench: Bench, task: Task, old: dict[str, bytes], new: dict[str, bytes]) -> list[str]:
    """Outputs that are neither the old nor the new file, without those that may stay unfinished."""
    skipped = tuple(one for one in task.kept if not one.endswith(".parts"))
    files = sandbox.contents(bench.case, *skipped)
    return mixture({name: data for name, data in files.items() if name.startswith("out/")}, old, new)


def _run_again(bench: Bench, task: Task, expected: dict[str, bytes]) -> tuple[list[str], str]:
    """Faults of the next run, which ends as an uninterrupted one; and what it said."""
    stale = set(bench.finished(task))
    outcome = bench.start(task, f"{task.line} --resume" if task.resumes else "").wait()
    faults = [f"then {fault}" for fault in faults_of_end(outcome, task.command)]
    if not faults and outcome.status:
        faults = [f"then it fails: {outcome.errors.strip().splitlines()[-1]}"]
    made = bench.finished(task)
    others = [name for name in differing(made, expected) if not (name in stale and name not in expected)]
    if not faults and others:
        faults = [f"then another result: {', '.join(others)}"]
    return faults, outcome.errors
