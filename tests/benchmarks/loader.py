"""How many samples per second of one core stage 1's training data gives, and how long the rest of a step takes.

usage: loader.py CLIP.h5... [--preset warp|small|paper] [--batch-size N] [--batches N] [--workers N] [--step]
                 [--profile]

Times are those of the CPU (user and system), as other programs do not change them much. Cold: every frame is read and
decompressed. Warm: the frames are in memory. Preparation is the part of a step that runs on the training device, here
the CPU, before the network. The clips must have the framing of the preset.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from dd_tools.pipeline.training import set_up_renderer_training
from dd_tools.training.loop import loading, new_state, prepared

CPU = torch.device("cpu")


def seconds(function: Callable[[int], object], count: int) -> float:
    """CPU time of calling `function` with 0, 1, ... `count` − 1."""
    start = time.process_time()
    for number in range(count):
        function(number)
    return time.process_time() - start


def show(name: str, samples: int, taken: float) -> None:
    print(f"{name}: {samples / taken:.0f} samples per second, {1000 * taken / samples:.2f} ms each")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP.h5")
    parser.add_argument("--preset", default="warp")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0, help="also measure this many loading processes, by the clock")
    parser.add_argument("--step", action="store_true", help="also measure the network's part of a step")
    parser.add_argument("--profile", action="store_true", help="also show where the time goes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    task, settings = set_up_renderer_training(options.clips, preset=options.preset)
    samples = options.batches * options.batch_size

    def load(number: int) -> dict[str, torch.Tensor]:
        return task.data.batch(torch.Generator().manual_seed(number), options.batch_size)

    for name in ("cold", "warm"):
        show(f"loading, {name}", samples, seconds(load, options.batches))
    batches = [load(number) for number in range(options.batches)]
    prepare = seconds(lambda number: prepared(task.data, batches[number], CPU), options.batches)
    show("preparation", samples, prepare)
    if options.step:
        state = new_state(task.objective.train(), settings, CPU, "fp32")
        batch = prepared(task.data, batches[0], CPU)
        show("network", 2 * options.batch_size, seconds(lambda _: state.update(task.objective(batch), 1e-9, 1.0), 2))
    if options.workers:
        settings = replace(settings, steps=options.batches + 1, batch_size=options.batch_size, workers=options.workers)
        loader = iter(loading(task.data, settings, range(settings.steps), 0, CPU))
        next(loader)  # when the processes have started
        start = time.monotonic()
        show(f"{options.workers} loading processes", samples, sum(1 for _ in loader) and time.monotonic() - start)
    if options.profile:
        with cProfile.Profile() as profile:
            seconds(lambda number: load(1000 + number), options.batches)
            seconds(lambda number: prepared(task.data, batches[number], CPU), options.batches)
        pstats.Stats(profile).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
