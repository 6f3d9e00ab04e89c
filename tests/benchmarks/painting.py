"""CPU time per frame of painting, beside plain convolutions of the size of Wav2Lip's generator (`wav2lip_size`).

usage: painting.py CLIP.h5 [--renderer FILE] [--batch-sizes 4,8,16] [--frames 96] [--rounds 3]
       painting.py --paper [--batch-sizes 1] [--rounds 3]

Paints frames of the clip, with the latents of frames two seconds later, in batches of several sizes. --paper: a step of
preset paper's network with random weights instead, in contiguous layout and with channels last. The variants take
turns. Prints a Markdown table: medians of CPU ms per frame, and their ratios to the convolutions.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import wav2lip_size

from dd_tools.diffdub.renderer_training import PRESETS, new_network
from dd_tools.formats.clip import Clip
from dd_tools.pipeline.models import load_renderer

REFERENCE, REFERENCE_BATCH = "convolutions of Wav2Lip's size", 8
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
Variants = dict[str, tuple[int, Callable[[], object]]]  # frames per call, and the call


def clip_variants(clip: Clip, renderer: Path | None, sizes: list[int], count: int) -> Variants:
    """Encoding and painting of a clip."""
    model, frames = load_renderer(renderer), clip.usable[:count]
    encode, painter = model.encoder(clip), model.painter(clip)
    latents = np.roll(encode(frames), 50, axis=0)

    def paint(size: int) -> None:
        for start in range(0, len(frames), size):
            painter(frames, clip.pts[frames], latents, slice(start, min(start + size, len(frames))))

    painting = {f"painting, {size} per batch": (len(frames), lambda size=size: paint(size)) for size in sizes}
    return {"encoding": (len(frames), lambda: encode(frames))} | painting


def paper_variants(sizes: list[int]) -> Variants:
    """One step of the U-Net of preset paper."""
    variants = {}
    for name, layout in LAYOUTS.items():
        network = new_network(PRESETS["paper"].config).to(memory_format=layout).eval()
        for size in sizes:
            side, z = network.config.size, torch.randn(size, network.config.z_size)
            image, t = torch.randn(size, 3, side, side), torch.full((size,), 500)
            call = lambda network=network, image=image, t=t, z=z: network(image, image, t, z)  # noqa: E731
            variants[f"step of preset paper, {name}, {size} per batch"] = size, call
    return variants


@torch.inference_mode()
def measure(variants: Variants, rounds: int) -> dict[str, float]:
    """Median CPU ms per frame of every variant, after a first round that does not count."""
    taken = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, (count, call) in variants.items():
            start = time.process_time()
            call()
            taken[name].append(1000 * (time.process_time() - start) / count)
    return {name: statistics.median(each[1:]) for name, each in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--renderer", type=Path)
    parser.add_argument("--batch-sizes")
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.paper == bool(options.clip):
        parser.error("give a clip or --paper")
    sizes = [int(size) for size in (options.batch_sizes or ("1" if options.paper else "4,8,16")).split(",")]
    network, batch = wav2lip_size.reference_network(), wav2lip_size.frames(REFERENCE_BATCH)
    reference = {REFERENCE: (REFERENCE_BATCH, lambda: network(batch))}
    if options.paper:
        taken = measure(reference | paper_variants(sizes), options.rounds)
    else:
        with Clip(options.clip) as clip:
            variants = clip_variants(clip, options.renderer, sizes, options.frames)
            taken = measure(reference | variants, options.rounds)
    print(f"| {torch.get_num_threads()} threads | CPU ms per frame | ratio |\n|---|--:|--:|")
    for name, milliseconds in taken.items():
        print(f"| {name} | {milliseconds:.1f} | {milliseconds / taken[REFERENCE]:.2f} |")


if __name__ == "__main__":
    main()
