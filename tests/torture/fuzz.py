"""Damaged inputs: every input of every command, with bits, blocks, numbers and tokens that nobody expects."""

from pathlib import Path

import numpy as np

from torture import sandbox
from torture.bench import Bench, Result
from torture.mutations import mutate
from torture.rules import faults_of_content, faults_of_end, faults_of_files
from torture.tasks import READING, Task

COUNT = 3000


def run(bench: Bench, seed: int, case: int) -> Result:
    """Damage one input of one task and run it. Status 0 is fine if the outputs can be read."""
    random = np.random.default_rng((seed, case))
    task, name = _choose(bench, seed, case)
    bench.fresh(task)
    how = _damage(bench, bench.case / name, name, random)
    before = sandbox.contents(bench.case)
    with bench.watched() as outside:
        outcome = bench.start(task).wait()
    after = sandbox.contents(bench.case)
    faults = faults_of_end(outcome, task.command) + outside
    # Whatever ends in a traceback, or is killed, may leave more behind; that is no cause of its own.
    if not faults:
        kept = task.kept if outcome.status else [one for one in task.kept if not one.endswith(".parts")]
        faults += faults_of_files(before, after, tuple(kept))
        changed = [one for one, content in after.items() if one.startswith("out/") and before.get(one) != content]
        faults += faults_of_content(bench.case, [one for one in changed if "/." not in one and ".parts" not in one])
    suffix = Path(name).suffix or Path(name).name
    faults = [f"{fault} ({suffix})" for fault in faults]
    return Result(task.command, faults, f"{task.line}\n{name}: {how}\n{outcome}\n{outcome.errors}")


def _choose(bench: Bench, seed: int, case: int) -> tuple[Task, str]:
    """The task and the input of a case: all in turn, in an order that depends on the seed."""
    pairs = [(task, name) for task in READING for name in task.inputs(bench.material)]
    order = np.random.default_rng(seed).permutation(len(pairs))
    return pairs[order[case % len(pairs)]]


def _damage(bench: Bench, path: Path, name: str, random: np.random.Generator) -> str:
    """Damage the file, but not its time, from which a resumed run would see that it has changed."""
    times, content = path.stat(), path.read_bytes()
    other = bench.alternative(name)
    how, damaged = mutate(content, other.read_bytes() if other.exists() else content[::-1], path.suffix, random)
    path.write_bytes(damaged)
    sandbox.os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return how
