"""What `test_training_objectives` starts under torchrun: two_processes.py FOLDER PORT... trains every task there is."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from training_tasks import CPU, TASKS, dummy_task

from dd_tools.training.loop import train

folder, ports, rank = Path(sys.argv[1]), sys.argv[2:], os.environ["RANK"]
# The store of torchrun serves one training; here are several.
os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"
for name, port in zip(TASKS, ports, strict=True):
    os.environ["MASTER_PORT"] = port
    task, settings = dummy_task(name, folder)
    settings = replace(settings, batch_size=settings.batch_size // 2)
    assert train(task, settings, folder / f"{name}.safetensors", device=CPU)
    torch.save(task.objective.model.state_dict(), folder / f"{name}.{rank}.pt")

left = [thread.joinpath("comm").read_text() for thread in Path("/proc/self/task").glob("*")]
assert not [comm for comm in left if "gloo" in comm], left  # they could abort the interpreter's end
