"""One training process or several, started by torchrun."""

import importlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from dd_tools.errors import DataError, UsageError, first_line
from dd_tools.stopping import fatal_signals

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """The processes of a training, as one of them sees them.

    rank: of this process. The first (rank 0) writes files and prints.
    count: number of processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def wrap(self, objective: nn.Module, device: torch.device) -> nn.Module:
        """The objective, with its gradients averaged over all processes."""
        if self.count == 1:
            return objective
        # A static graph may hold parameters that are never used, as the authors' motion model does.
        return nn.parallel.DistributedDataParallel(
            objective, device_ids=[device.index] if device.type == "cuda" else None, static_graph=True
        )

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process, so that all stop after the same step."""
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

    def in_each(self, function: Callable[[], Value]) -> list[Value]:
        """What `function` returns in each process, by rank: values that are small and of plain types.

        A `DataError` or `UsageError` that one of them raises is raised in all, so that none waits for another. If
        there are several, its message tells in which process and on which machine.
        """
        value = error = None
        try:
            value = function()
        except (DataError, UsageError) as raised:
            error = raised if self.count == 1 else type(raised)(f"{raised}, {self._place}")
        answers = [(value, error)]
        if self.count > 1:
            answers *= self.count
            distributed.all_gather_object(answers, (value, error))
        for _, error in answers:
            if error:
                raise error
        return [value for value, _ in answers]

    @property
    def _place(self) -> str:
        return f"in process {self.rank} on machine '{socket.gethostname()}'"

    def in_one(self, rank: int, function: Callable[[], Value]) -> Value | None:
        """What `function` returns in the process of this rank, the only one that calls it; None in the others.

        Its errors are raised in all processes, as by `in_each`.
        """
        values = []
        self.in_each(lambda: values.append(function()) if self.rank == rank else None)
        return next(iter(values), None)

    def share_tensors(self, tensors: dict[str, Tensor] | None, rank: int, device: torch.device) -> dict[str, Tensor]:
        """The tensors by name of the process of this rank, on the CPU in all processes. The others give None.

        device: on which the processes exchange tensors.
        """
        if self.count == 1:
            return tensors
        described = self.in_each(lambda: tensors and {name: (one.shape, one.dtype) for name, one in tensors.items()})
        shared = {}
        for name, (shape, dtype) in described[rank].items():
            tensor = tensors[name].to(device) if self.rank == rank else torch.empty(shape, dtype=dtype, device=device)
            distributed.broadcast(tensor, src=rank)
            shared[name] = tensor.cpu()
        return shared


@contextmanager
def join_processes(device: torch.device) -> Iterator[tuple[Processes, torch.device]]:
    """Join the other processes that torchrun started, if any. Yields the processes and the device of this one.

    Whatever refers to the process group (the result of `Processes.wrap`) must be deleted before the context ends.
    Otherwise the threads of the group live on, and one that releases a tensor at interpreter exit aborts the process.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    # Optimisers would import it later. The default arguments of its functions would then hold the group forever.
    importlib.import_module("torch.distributed.nn")
    try:
        with fatal_signals():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except RuntimeError as error:
        raise DataError(
            f"cannot connect to the other processes: {first_line(error)}; name the network interface that leads to "
            "them in GLOO_SOCKET_IFNAME, or with GPUs in NCCL_SOCKET_IFNAME"
        ) from None
    try:
        yield Processes(distributed.get_rank(), count), device
        # Otherwise the first process to leave sometimes makes the others wait for ever (torch 2.6, gloo).
        distributed.barrier()
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        raise DataError(
            f"lost the connection to another process of this training ({first_line(error)}); continue with --resume"
        ) from None
    finally:
        distributed.destroy_process_group()


def _is_lost_connection(error: RuntimeError) -> bool:
    """Whether the error comes from the exchange between processes. Those of gloo can only be told by their text."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)
