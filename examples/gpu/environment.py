"""Print what the machine and the installation are: GPU, driver, versions, processors, commit."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import torch

import dd_tools

PACKAGES = ("numpy", "opencv-python", "opencv-python-headless", "h5py", "safetensors", "transformers", "triton")
GPU_FIELDS = "name,driver_version,memory.total,power.limit,clocks.max.sm,temperature.gpu"


def output(*command: str) -> str:
    """What a program prints, or why it prints nothing."""
    if shutil.which(command[0]) is None:
        return f"no {command[0]}"
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() if done.returncode == 0 else f"none ({done.stderr.strip()})"


def versions() -> Iterator[tuple[str, str]]:
    """Name and version of every package that is installed."""
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def facts() -> Iterator[tuple[str, object]]:
    """Name and value of all that is known."""
    yield "GPU", output("nvidia-smi", f"--query-gpu={GPU_FIELDS}", "--format=csv,noheader")
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield f"cuda:{index}", f"{properties.name}, {properties.multi_processor_count} multiprocessors"
    yield "CUDA of torch", torch.version.cuda
    yield "cuDNN", torch.backends.cudnn.version()
    yield "torch", torch.__version__
    yield from versions()
    yield "Python", platform.python_version()
    yield "system", platform.platform()
    yield "processors", len(os.sched_getaffinity(0))
    yield "shared memory", output("df", "-h", "/dev/shm").rpartition("\n")[2]
    yield "ffmpeg", output("ffmpeg", "-version").partition("\n")[0]
    yield "dd_tools", f"{dd_tools.__version__}, in {Path(dd_tools.__file__).parent}"
    yield "commit", output("git", "describe", "--always", "--dirty")


def main() -> None:
    for name, value in facts():
        print(f"- {name}: {value}")


if __name__ == "__main__":
    main()
