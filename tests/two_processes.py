"""What `test_training_objectives` starts under torchrun: two_processes.py FOLDER PORT... trains every task there is.

Each is trained without an interruption, and once more with one. Each process has a folder of its own, as on machines
without a shared disk, so only the first process finds the state that it saved, unless it is brought to the second.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_tasks import CPU, STEPS, TASKS, dummy_task

from dd_tools.errors import DataError, UsageError
from dd_tools.reporting import Silent
from dd_tools.training.loop import train
from dd_tools.training.state import state_path

LAST = 2  # number of the step before an interruption


class Interruption(Silent):
    """Stops the second process, and with it the first."""

    def training(self, steps: Iterator[int], total: int, describe: object) -> Iterator[int]:
        for step in steps:
            if step == LAST and rank == "1":
                os.kill(os.getpid(), signal.SIGTERM)
            yield step


class Noting(Silent):
    """Keeps the numbers of the steps and the messages."""

    def __init__(self):
        self.steps, self.messages = [], []

    def say(self, message: str) -> None:
        self.messages.append(message)

    def training(self, steps: Iterator[int], total: int, describe: object) -> Iterator[int]:
        for step in steps:
            self.steps.append(step)
            yield step


clips, ports, rank = Path(sys.argv[1]), iter(sys.argv[2:]), os.environ["RANK"]
folder = clips / rank
folder.mkdir()
# The store of torchrun serves one training; here are several.
os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"


def run(name: str, output: str, seed: int = 0, kept: dict | None = None, **options) -> bool:
    """Train a task once, with half a batch in each process."""
    os.environ["MASTER_PORT"] = next(ports)
    task, settings = dummy_task(name, clips, **kept or {})
    settings = replace(settings, batch_size=settings.batch_size // 2, seed=seed)
    finished = train(task, settings, folder / f"{output}.safetensors", device=CPU, **options)
    torch.save(task.objective.model.state_dict(), folder / f"{output}.pt")
    return finished


def move(state: Path) -> None:
    """Only the second process has the state."""
    if rank == "0":
        shutil.move(state, clips / "1")


def truncate(state: Path) -> None:
    """The second process has the state, the first one a truncated one. As long as only the first has one, both fail."""
    if rank == "0":
        shutil.copy(state, folder / "whole")
        os.truncate(state, state.stat().st_size - 1)
    with pytest.raises(DataError, match=r"truncated \(.*\), in process 0 on machine '.+'$"):
        run(TASKS[1], f"{TASKS[1]} resumed", resume=True)
    if rank == "0":
        shutil.move(folder / "whole", clips / "1" / state.name)


CHANGES = {TASKS[0]: move, TASKS[1]: truncate}  # of the states before they are used

for name in TASKS:
    assert run(name, name)
    assert not run(name, f"{name} resumed", report=Interruption())
    with pytest.raises(UsageError, match="seed was 0 and is 1"):  # in both processes, so that neither waits
        run(name, f"{name} resumed", seed=1, resume=True)
    if change := CHANGES.get(name):
        change(state_path(folder / f"{name} resumed.safetensors"))
    noted = Noting()
    assert run(name, f"{name} resumed", resume=True, report=noted)
    assert noted.steps == list(range(LAST + 1, STEPS)), noted.steps
    assert [message[-24:] for message in noted.messages] == (
        ["the 3 steps of process 1"] if (change, rank) == (truncate, "0") else []
    )
run("tiny-warp renderer", "kept", kept={"keep_encoder": True})

left = [thread.joinpath("comm").read_text() for thread in Path("/proc/self/task").glob("*")]
assert not [comm for comm in left if "gloo" in comm], left  # they could abort the interpreter's end
