"""Names of devices and floating-point formats, and computing on them, on machines with and without GPUs."""

import contextlib
import platform
import subprocess
import sys

import pytest
import torch

from dd_tools.errors import UsageError
from dd_tools.nn.device import OutOfMemory, choose_dtype, computing, open_device

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def machine(monkeypatch):
    """Pretend that this machine has so many CUDA devices, and whether it has MPS, and whether they have bfloat16."""

    def pretend(cuda: int = 0, mps: bool = False, bf16: bool = True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16)
        monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "expected"),
    [
        (0, False, "auto", "cpu"),
        (0, False, "cpu", "cpu"),
        (2, False, "auto", "cuda"),
        (2, False, "cuda", "cuda"),
        (2, False, "cuda:0", "cuda:0"),
        (2, False, "cuda:1", "cuda:1"),
        (2, False, "cpu", "cpu"),
        (0, True, "auto", "mps"),
        (0, True, "mps", "mps"),
    ],
)
def test_devices_have_the_names_of_pytorch(machine, cuda, mps, name, expected):
    machine(cuda, mps)
    assert open_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("cuda", "name", "complaint"),
    [
        (0, "cuda", "no cuda device on this machine; use --device auto or cpu"),
        (0, "cuda:1", "no cuda device on this machine"),
        (0, "mps", "no mps device on this machine"),
        (1, "cuda:1", "no device 'cuda:1' on this machine, its CUDA devices are 0 to 0"),
        (2, "cuda:2", "no device 'cuda:2'"),
        (2, "cuda:-1", "unknown device 'cuda:-1', expected auto, cpu, cuda, mps or cuda:N"),
        (2, "cuda:x", "unknown device"),
        (2, "cpu:0", "unknown device"),
        (2, "gpu", "unknown device 'gpu'"),
        (2, "", "unknown device ''"),
    ],
)
def test_other_devices_are_refused(machine, cuda, name, complaint):
    machine(cuda)
    with pytest.raises(UsageError, match=complaint):
        open_device(name)


@pytest.mark.parametrize(
    ("name", "device", "fast", "bf16", "expected"),
    [
        ("auto", CPU, False, True, "fp32"),
        ("auto", CPU, True, True, "fp32"),
        ("auto", CUDA, False, True, "fp32"),
        ("auto", CUDA, True, True, "bf16"),
        ("auto", CUDA, True, False, "fp32"),
        ("fp32", CUDA, True, True, "fp32"),
        ("bf16", CPU, False, False, "bf16"),
        ("fp16", CUDA, True, True, "fp16"),
    ],
)
def test_what_must_be_fast_is_in_bfloat16_where_the_gpu_has_it(machine, name, device, fast, bf16, expected):
    machine(cuda=1, bf16=bf16)
    assert choose_dtype(name, device, fast=fast) == expected


def test_an_unknown_dtype_is_refused():
    with pytest.raises(UsageError, match="unknown dtype 'fp8', expected auto, fp32, bf16, fp16"):
        choose_dtype("fp8", CPU)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_are_computed_in_the_dtype_and_settings_are_restored(dtype):
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32
    with computing(CPU, dtype):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
        assert torch.backends.cudnn.deterministic and torch.backends.cudnn.enabled
        assert torch.backends.cudnn.allow_tf32 == (dtype != torch.float32)
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32) == before


def test_a_failed_allocation_is_an_error_of_its_own():
    with pytest.raises(OutOfMemory, match="out of memory on device 'cpu'"), computing(CPU, torch.float32):
        torch.empty(1 << 48)


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="size"), computing(CPU, torch.float32):
        torch.ones(2) + torch.ones(3)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_freed_memory_that_is_kept_is_used_again():
    """In a process of its own, as it stays so: large tensors made again cause next to no page faults."""
    program = """
import resource, torch
from dd_tools.nn.device import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(10_000_000).add(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
plain = faults()
keep_freed_memory()
faults()
print(plain, faults())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    plain, kept = map(int, done.stdout.split())
    assert kept < plain / 10
