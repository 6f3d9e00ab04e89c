"""One process or many: what torchrun tells through the environment."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Workers:
    """This process among its equals. rank 0 of `count` writes files and prints."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def wrap(self, objective: nn.Module, device: torch.device) -> nn.Module:
        """The objective with gradients averaged over all processes."""
        if self.count == 1:
            return objective
        # A static graph may hold parameters that are never used, as the authors' motion model does.
        return nn.parallel.DistributedDataParallel(
            objective, device_ids=[device.index] if device.type == "cuda" else None, static_graph=True
        )

    def agree(self, flag: bool, device: torch.device) -> bool:
        """Whether any process raises the flag, so that all stop after the same step."""
        if self.count == 1:
            return flag
        vote = torch.tensor(float(flag), device=device)
        distributed.all_reduce(vote, op=distributed.ReduceOp.MAX)
        return bool(vote)

    def mean(self, value: torch.Tensor) -> float:
        """The mean of a scalar over all processes."""
        value = value.detach().float().clone()
        if self.count > 1:
            distributed.all_reduce(value)
        return value.item() / self.count


@contextmanager
def workers(device: torch.device) -> Iterator[tuple[Workers, torch.device]]:
    """Join the other processes torchrun started, if any: yields this one's place and device.

    Whatever holds the group (`Workers.wrap`) must be gone when this ends. Otherwise the group's threads live on, and
    one that still lets go of a tensor when the interpreter ends aborts the process.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Workers(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    # What optimisers import later; imported now, as its functions' defaults would hold the group for ever.
    importlib.import_module("torch.distributed.nn")
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(distributed.get_rank(), count), device
    finally:
        distributed.destroy_process_group()
