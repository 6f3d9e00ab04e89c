"""Devices and floating-point formats, by the names that users give them, and computing on them."""

import ctypes
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dd_tools.errors import DataError, UsageError

AUTO = "auto"
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # parameters of glibc's mallopt
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class OutOfMemory(DataError):
    """The device has too little memory."""


def open_device(name: str = AUTO) -> torch.device:
    """The torch device `name`: ``cpu``, ``cuda``, ``cuda:1`` and so on, ``mps``, or ``auto`` for a GPU if there is one.

    Raises `UsageError` for another name and for a device that this machine does not have.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == AUTO:
        return torch.device(next((kind for kind in ("cuda", "mps") if present[kind]), "cpu"))
    kind, _, index = name.partition(":")
    if kind not in present or (index and not (kind == "cuda" and index.isdecimal())):
        raise UsageError(f"unknown device '{name}', expected {AUTO}, {', '.join(present)} or cuda:N")
    if not present[kind]:
        raise UsageError(f"no {kind} device on this machine; use --device auto or cpu")
    if index and int(index) >= torch.cuda.device_count():
        raise UsageError(
            f"no device '{name}' on this machine, its CUDA devices are 0 to {torch.cuda.device_count() - 1}"
        )
    return torch.device(name)


def choose_dtype(name: str, device: torch.device, *, fast: bool = False) -> str:
    """The name in `DTYPES` that `name` stands for: itself, or for ``auto`` bf16 or fp32.

    fast: ``auto`` is bf16 on a GPU that has it, which takes half the time of fp32. It is for painting and training.
    Latents and motion take little time, and small differences between latents matter. Raises `UsageError` for another
    name.
    """
    if name not in (AUTO, *DTYPES):
        raise UsageError(f"unknown dtype '{name}', expected {', '.join((AUTO, *DTYPES))}")
    if name != AUTO:
        return name
    return "bf16" if fast and _has_bf16(device) else "fp32"


def _has_bf16(device: torch.device) -> bool:
    """Whether it is a GPU that computes in bfloat16."""
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def memory_format(device: torch.device) -> torch.memory_format:
    """The layout in which convolutions are fastest: channels last on a CPU, contiguous on a GPU.

    On GPUs, channels last makes group normalisation slower than it makes convolutions faster (measured on an H100).
    """
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


@contextmanager
def computing(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Compute with networks on `device` in `dtype`; float32 is not rounded to TF32.

    cuDNN uses deterministic algorithms, so that a computation can be repeated on the same GPU. Raises `OutOfMemory`.
    """
    with (
        memory_errors(device, "use --device cpu"),
        arithmetic(device, dtype, deterministic=True),
    ):
        yield


@functools.cache
def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next tensor, from now on in this process.

    It returns large blocks to the system otherwise, and new ones arrive page by page. That takes an eighth of the time
    of preset paper. Other C libraries are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def arithmetic(device: torch.device, dtype: torch.dtype, *, deterministic: bool) -> Iterator[None]:
    """Compute in `dtype`, with autocast if it has 16 bits; cuDNN does not round float32 to TF32.

    deterministic: whether cuDNN may only choose deterministic algorithms.
    """
    is_half = dtype != torch.float32
    flags = {"enabled": True, "benchmark": False, "deterministic": deterministic, "allow_tf32": is_half}
    with torch.backends.cudnn.flags(**flags), torch.autocast(device.type, dtype, enabled=is_half):
        yield


@contextmanager
def memory_errors(device: torch.device, advice: str) -> Iterator[None]:
    """Turn a failed allocation into `OutOfMemory`. advice: what the user can do, for the message."""
    try:
        yield
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        raise OutOfMemory(f"out of memory on device '{device}'; {advice}") from None


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an allocation failed. Only CUDA has an exception of its own for that."""
    texts = "out of memory", "can't allocate memory", "not enough memory"
    # What cuDNN and cuBLAS say if there is no room for their workspace.
    texts += "unable to find an engine", "ALLOC_FAILED", "DEVICE_ALLOCATION_FAILED"
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in texts)
