"""A reference of work: plain convolutions with as many operations per frame as Wav2Lip's generator at 96 px, 7.9 GFLOP.

usage: wav2lip_size.py [--batch-size 8] [--rounds 5]

Random weights, no normalisation. Prints the operations of a frame and the CPU time that it takes.
"""

import argparse
import statistics
import time
from itertools import pairwise

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SIDE = 96
# Channels of every level, half as large as the one before, and the convolutions after the first, which leads to it.
LEVELS = ((64, 3), (128, 2), (256, 2), (384, 3), (512, 5))
IN_CHANNELS = 6  # a masked and a reference image


def reference_network() -> nn.Module:
    """The network, in channels-last layout: (B, 6, 96, 96) to (B, 512, 6, 6)."""
    layers = []
    for (before, _), (channels, repeats) in pairwise(((IN_CHANNELS, 0), *LEVELS)):
        layers += [nn.Conv2d(before, channels, 3, stride=2 if layers else 1, padding=1), nn.ReLU(inplace=True)]
        for _ in range(repeats):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last).eval()


def frames(count: int) -> torch.Tensor:
    """Random input of the network."""
    return torch.rand(count, IN_CHANNELS, SIDE, SIDE).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    network, batch, seconds = reference_network(), frames(options.batch_size), []
    with FlopCounterMode(display=False) as counter:
        network(batch)
    for _ in range(options.rounds):
        start = time.process_time()
        network(batch)
        seconds.append(time.process_time() - start)
    print(f"{counter.get_total_flops() / len(batch) / 1e9:.2f} GFLOP per frame,", end=" ")
    print(f"{1000 * statistics.median(seconds) / len(batch):.1f} ms of CPU with {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
