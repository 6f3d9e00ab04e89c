"""What the 256 px renderer of preset paper (168.5 M parameters) needs on a CPU, with random weights. Linux only.

usage: paper_renderer.py [--frames 1,4] [--steps N] [--folder DIR]

Prints the peak memory of converting a released checkpoint and of loading weights in units of the file's size (each in a
process of its own, above what the process had before), then the seconds and memory of painting, by frames per batch and
memory format. The files, 1.3 GB, are removed at the end.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from dd_tools.diffdub.released import convert
from dd_tools.diffdub.renderer import network_from
from dd_tools.diffdub.renderer_training import KIND, PRESETS, new_network
from dd_tools.diffdub.sampling import sample
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, read_checkpoint, write_checkpoint
from dd_tools.formats.released import read_released

MIB = 2**20


def peak() -> int:
    """The most memory this process ever had resident, in bytes, mapped files included."""
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def loading(path: Path) -> None:
    """Load one file, touch every weight as painting would, and print what it took."""
    before = peak()
    released = path.suffix == ".ckpt"
    checkpoint = convert(read_released(path), path)[0] if released else read_checkpoint(path, RENDERER)
    sum(parameter.sum().item() for parameter in network_from(checkpoint, path).parameters())
    taken, size = peak() - before, path.stat().st_size
    print(f"loading {path.name}: {taken / MIB:.0f} MiB, {taken / size:.2f} times the file's {size / MIB:.0f} MiB")


def write_files(folder: Path) -> None:
    """The same random weights as the authors would save them and as these tools do."""
    network = new_network(PRESETS["paper"].config)
    state = network.state_dict()
    torch.save({"state_dict": {f"ema_model.{name}": tensor for name, tensor in state.items()}}, folder / "stage1.ckpt")
    write_checkpoint(folder / "renderer.safetensors", Checkpoint(RENDERER, KIND, network.config.to_json(), state))


def painting(path: Path, frames: int, steps: int, channels_last: bool) -> None:
    """Paint a batch of `frames` and print the seconds per frame and the peak so far."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network_from(read_checkpoint(path, RENDERER), path).to(memory_format=layout)
    size = network.config.size
    image, reference, xT = torch.randn(3, frames, 3, size, size, generator=torch.Generator().manual_seed(0))
    mask, z = torch.ones(frames, 1, size, size), torch.randn(frames, network.config.z_size)
    began, worked = time.monotonic(), time.process_time()
    with torch.inference_mode():
        sample(lambda xt, t: network.denoise(xt, reference, t, z), xT, image.clamp(-1, 1), mask, steps)
    seconds, work = (time.monotonic() - began) / frames, (time.process_time() - worked) / frames
    name = "channels last" if channels_last else "contiguous"
    print(f"{frames} per batch, {name}: {seconds:.1f} s per frame of {steps} steps ({work:.1f} s of CPU),", end=" ")
    print(f"peak {peak() / MIB:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", default="1,4")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)  # what a process of its own does
    options = parser.parse_args()
    if options.only:
        task, path, *rest = options.only
        return loading(Path(path)) if task == "loading" else painting(Path(path), *map(int, rest))
    print(f"{torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_files(folder)
        tasks = [["loading", folder / file] for file in ("stage1.ckpt", "renderer.safetensors")]
        for frames in options.frames.split(","):
            tasks += [["painting", folder / "renderer.safetensors", frames, options.steps, last] for last in (0, 1)]
        for task in tasks:
            subprocess.run([sys.executable, __file__, "--only", *map(str, task)], check=True)


if __name__ == "__main__":
    main()
