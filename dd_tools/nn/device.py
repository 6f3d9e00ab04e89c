"""Devices and floating-point formats, by the names that users give them."""

import torch

from dd_tools.errors import UsageError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def open_device(name: str = "auto") -> torch.device:
    """The torch device `name`: ``cpu``, ``cuda``, ``mps``, or ``auto`` for a GPU if there is one.

    Raises `UsageError` for another name and for a device that this machine does not have.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if present[kind]), "cpu")
    if name not in present:
        raise UsageError(f"unknown device '{name}', expected auto, {', '.join(present)}")
    if not present[name]:
        raise UsageError(f"no {name} device on this machine; use --device auto or cpu")
    return torch.device(name)
