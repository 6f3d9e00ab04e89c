"""How fast a device paints, beside what its arithmetic allows: a random diffdub U-Net, and the warp renderer.

usage: gpu_throughput.py [--preset paper] [--device cuda] [--batches 1,2,4,8,16,32,64] [--compiled 8] [--seconds 120]
       [--clip CLIP.h5] [--peak-size 8192]

First the peak: products of two matrices of 8192 × 8192 numbers. Then, for every format and batch size, the time of a
call of the network, operations per second, and frames per second in 20, 10 and 2 steps, each beside the number that the
peak allows; encoding, reading and pasting are left out. With --clip, frames per second of the shipped warp renderer
with all that its painter does. Then, for the batch sizes of --compiled, the compiled network, which may take minutes to
compile, and at last the formats for which cuDNN tries its algorithms. Every line of the Markdown tables is printed at
once; after --seconds no measurement is started, and a compilation is ended.
"""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from solvers import numbers
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.renderer_training import PRESETS, new_network
from dd_tools.errors import first_line
from dd_tools.formats.clip import Clip
from dd_tools.nn.device import DTYPES, open_device
from dd_tools.pipeline.interfaces import Renderer
from dd_tools.pipeline.models import load_renderer

STEPS = (20, 10, 2)
ROUNDS = 4  # batches of the warp renderer that are timed
MEASURE_SECONDS = 0.5  # repetitions are added until they take so long together


@dataclass(frozen=True)
class Format:
    """How the network computes. The peak that it is compared with is that of its `dtype`, with or without `tf32`."""

    name: str
    dtype: str
    tf32: bool = False
    channels_last: bool = False
    autotuned: bool = False
    compiled: bool = False

    @property
    def peak(self) -> str:
        return "TF32" if self.tf32 else self.dtype

    @contextlib.contextmanager
    def computing(self, device: torch.device) -> Iterator[None]:
        """As `dd_tools.nn.device.computing`, with deterministic algorithms, but for what this format chooses."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.tf32 else "highest")
        half = self.dtype != "fp32"
        flags = {"benchmark": self.autotuned, "deterministic": not self.autotuned, "allow_tf32": self.tf32 or half}
        try:
            with (
                torch.inference_mode(),
                torch.backends.cudnn.flags(enabled=True, **flags),
                torch.autocast(device.type, DTYPES[self.dtype], enabled=half),
            ):
                yield
        finally:
            torch.set_float32_matmul_precision(before)


FORMATS = (
    Format("bf16", "bf16"),
    Format("bf16, channels last", "bf16", channels_last=True),
    Format("TF32", "fp32", tf32=True),
    Format("fp32", "fp32"),
)
AUTOTUNED = (
    Format("bf16, autotuned", "bf16", autotuned=True),
    Format("bf16, channels last, autotuned", "bf16", channels_last=True, autotuned=True),
)
COMPILED = Format("bf16, compiled", "bf16", compiled=True)
PEAKS = (Format("bf16", "bf16"), Format("TF32", "fp32", tf32=True), Format("fp32", "fp32"))


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_per_call(function: Callable[[], object], device: torch.device) -> float:
    """The median of repeated calls, after two for warming up."""
    times = []
    for number in range(1000):
        synchronize(device)
        began = time.perf_counter()
        function()
        synchronize(device)
        if number >= 2:
            times.append(time.perf_counter() - began)
        if sum(times) > MEASURE_SECONDS:
            break
    return float(np.median(times))


def peak(chosen: Format, device: torch.device, size: int) -> float:
    """Operations per second of a matrix product of `size` cubed, with random numbers: zeros would be faster."""
    left, right = torch.randn(2, size, size, device=device).to(DTYPES[chosen.dtype])
    with chosen.computing(device):
        return 2 * size**3 / seconds_per_call(lambda: left @ right, device)


def inputs(config: RendererConfig, batch: int, device: torch.device) -> tuple[Tensor, ...]:
    """x_t, reference, t and z for `denoise`."""
    xt, reference = torch.randn(2, batch, 3, config.size, config.size, device=device)
    return xt, reference, torch.full((batch,), 500, device=device), torch.randn(batch, config.z_size, device=device)


def step_operations(config: RendererConfig) -> int:
    """Floating-point operations of one step for one frame."""
    device = torch.device("meta")
    with device:
        network = DiffusionAutoencoder(config)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.denoise(*inputs(config, 1, device))
    return counter.get_total_flops()


def step_row(network: DiffusionAutoencoder, chosen: Format, batch: int, device, work: int, peak: float) -> str:
    """A row of the table of the U-Net. work: operations per frame. peak: operations per second."""
    layout = torch.channels_last if chosen.channels_last else torch.contiguous_format
    network.to(memory_format=layout)
    xt, reference, t, z = inputs(network.config, batch, device)
    xt, reference = xt.to(memory_format=layout), reference.to(memory_format=layout)
    with chosen.computing(device):
        seconds = seconds_per_call(lambda: network.denoise(xt, reference, t, z), device) / batch
    rate, floor = work / seconds, work / peak
    frames = " | ".join(f"{1 / (n * seconds):.2f} of {1 / (n * floor):.2f}" for n in STEPS)
    return f"| {chosen.name} | {batch} | {1000 * seconds:.3f} | {rate / 1e12:.1f} | {rate / peak:.0%} | {frames} |"


class TimeIsOver(BaseException):
    """No `Exception`, as the compiler turns those into its own."""


class Deadline:
    """The end of the time for measuring, `seconds` from now."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    @contextlib.contextmanager
    def enforced(self) -> Iterator[None]:
        """Raise `TimeIsOver` when the time is over."""

        def expire(*_: object) -> None:
            raise TimeIsOver

        previous = signal.signal(signal.SIGALRM, expire)
        signal.setitimer(signal.ITIMER_REAL, max(0.001, self.left))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)


def say(line: str) -> None:
    print(line, flush=True)


def measure_steps(network, formats, batches: list[int], device, peaks: dict[str, float], deadline: Deadline) -> None:
    """Print a table, with as many rows as there is time for. A format ends with the first batch that does not fit."""
    work = step_operations(network.config)
    say(f"\n{work / 1e9:.0f} GFLOP per step and frame. Frames per second: measured of possible at the peak.\n")
    titles = " | ".join(f"{n} steps" for n in STEPS)
    say(f"| format | batch | ms per step and frame | TFLOP/s | of peak | {titles} |")
    say("|---|---:|---:|---:|---:|---:|---:|---:|")
    for chosen in formats:
        for batch in batches:
            if deadline.left <= 0:
                return say("\nThe time was over before all was measured.")
            try:
                say(step_row(network, chosen, batch, device, work, peaks[chosen.peak]))
            except RuntimeError as error:  # mostly out of memory; the other formats are still of interest
                say(f"| {chosen.name} | {batch} | {first_line(error)} | | | | | |")
                break
            finally:
                torch.cuda.empty_cache()


def measure_compiled(network, batches: list[int], device, peaks: dict[str, float], deadline: Deadline) -> None:
    """As `measure_steps`, of the compiled network. A row's compilation is part of its warm-up."""
    network.compile(dynamic=False)
    try:
        with deadline.enforced():
            measure_steps(network, (COMPILED,), batches, device, peaks, deadline)
    except TimeIsOver:
        say("\nThe compilation was ended, as the time was over.")
        sys.stdout.flush()
        os._exit(0)  # the compiler's processes would be waited for


def measure_warp(path: Path, batches: list[int], device: torch.device) -> None:
    """Print frames per second of the shipped renderer's painter, and the share of the network in its time."""
    say("\n| warp | batch | frames per second | ms per frame | in the network |\n|---|---:|---:|---:|---:|")
    with Clip(path) as clip:
        for dtype in ("fp32", "bf16"):
            renderer = load_renderer(None, device, dtype)
            for batch in batches:
                whole, network = painting_seconds(renderer, clip, batch)
                numbers = f"{1 / whole:.0f} | {1000 * whole:.2f} | {network / whole:.0%}"
                say(f"| {dtype} | {batch} | {numbers} |")


def painting_seconds(renderer: Renderer, clip: Clip, batch: int) -> tuple[float, float]:
    """Seconds per frame of painting a clip, and of its network alone, after one round for warming up."""
    frames, device = np.resize(clip.usable, ROUNDS * batch), renderer.device
    pts = np.arange(len(frames)) / 25
    latents, painter = renderer.encoder(clip)(clip.usable), renderer.painter(clip)
    latents = np.resize(latents, (len(frames), latents.shape[1]))
    inside, began = [], []

    def start(*_: object) -> None:
        synchronize(device)
        began.append(time.perf_counter())

    def stop(*_: object) -> None:
        synchronize(device)
        inside.append(time.perf_counter() - began.pop())

    hooks = renderer.network.register_forward_pre_hook(start), renderer.network.register_forward_hook(stop)
    for _ in range(2):
        inside.clear()
        start()
        for first in range(0, len(frames), batch):
            painter(frames, pts, latents, slice(first, min(first + batch, len(frames))))
        stop()
    for hook in hooks:
        hook.remove()
    *network, whole = inside
    return whole / len(frames), sum(network) / len(frames)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="paper", choices=PRESETS)
    parser.add_argument("--device", type=open_device, default="cuda")
    parser.add_argument("--batches", type=numbers, default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--compiled", type=numbers, default=[])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--peak-size", type=int, default=8192)
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    device, deadline = options.device, Deadline(options.seconds)
    peaks = {chosen.name: peak(chosen, device, options.peak_size) for chosen in PEAKS}
    say("| matrix product | TFLOP/s |\n|---|---:|")
    for name, rate in peaks.items():
        say(f"| {name} | {rate / 1e12:.1f} |")
    torch.manual_seed(0)
    network = new_network(PRESETS[options.preset].config).to(device).eval()
    measure_steps(network, FORMATS, options.batches, device, peaks, deadline)
    if options.clip:
        measure_warp(options.clip, options.batches[::3], device)
    if deadline.left > 0 and options.compiled:
        measure_compiled(network, options.compiled, device, peaks, deadline)
        network._compiled_call_impl = None
    if deadline.left > 0:
        measure_steps(network, AUTOTUNED, options.batches[1::3], device, peaks, deadline)
    return 0


if __name__ == "__main__":
    sys.exit(main())
