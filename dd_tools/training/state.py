"""The state of an unfinished training as safetensors: weights, moving average, optimiser, step. Never a pickle."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from dd_tools.formats.checkpoint import EMA_PREFIX, Checkpoint, write_training_state
from dd_tools.formats.companions import companion


def state_path(output: Path) -> Path:
    """Where the training of `output` keeps its state: NAME.state.safetensors beside NAME.safetensors."""
    return companion(output.with_name(output.stem), ".state.safetensors")


@dataclass
class TrainingState:
    """What a training step changes.

    model: the network in training.
    average: its exponential moving average.
    optimizer: AdamW.
    scaler: of the gradients in fp16; disabled for other types.
    step: number of steps done.
    seconds: that they took, in all runs together.
    """

    model: nn.Module
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    seconds: float = 0.0

    def update(self, loss: torch.Tensor, learning_rate: float, clip: float) -> torch.Tensor:
        """Take one optimiser step and update the moving average.

        clip: norm to which gradients are clipped. Returns their norm before clipping, a scalar on the device, for which
        a GPU need not be waited for.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.model)
        self.step += 1
        return norm

    def save(self, path: Path, checkpoint: Checkpoint) -> None:
        """Write to `path` atomically. `checkpoint` describes the model, so that the file can also serve as weights."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"{EMA_PREFIX}{name}": tensor for name, tensor in self.average.module.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors |= {f"scaler.{name}": torch.tensor(value) for name, value in self.scaler.state_dict().items()}
        tensors |= {"step": torch.tensor(self.step), "seconds": torch.tensor(self.seconds, dtype=torch.float64)}
        write_training_state(path, replace(checkpoint, tensors=tensors))

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Continue from the tensors of a saved state of the same model."""
        groups: dict[str, dict] = {"model": {}, "ema": {}, "optimizer": {}, "scaler": {}}
        for name, tensor in tensors.items():
            group, _, rest = name.partition(".")
            if rest:
                groups[group][rest] = tensor
        self.model.load_state_dict(groups["model"])
        self.average.module.load_state_dict(groups["ema"])
        self._load_optimizer(groups["optimizer"])
        if groups["scaler"]:  # absent if the state was saved by a training in another format
            self.scaler.load_state_dict({name: tensor.item() for name, tensor in groups["scaler"].items()})
        self.step, self.seconds = int(tensors["step"]), float(tensors.get("seconds", 0))
        self.average.n_averaged.fill_(self.step)

    def _load_optimizer(self, tensors: dict[str, torch.Tensor]) -> None:
        moments: dict[int, dict] = {}
        for name, tensor in tensors.items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = tensor
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
