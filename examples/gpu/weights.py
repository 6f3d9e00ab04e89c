"""Weights in half the size: 16-bit numbers, the moving average only, cut into files that are not too large.

usage: weights.py WEIGHTS.safetensors -o HALF.safetensors [--largest MIB [--pieces N]]

WEIGHTS may also be a training state. A result larger than --largest is cut into HALF.safetensors.0, .1 and so on, which
`cat HALF.safetensors.* > HALF.safetensors` joins. More than N files are an error.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import MOTION, RENDERER, Checkpoint, read_checkpoint, read_metadata, write_checkpoint

MIB = 2**20


def halved(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with float32 tensors in float16, which holds weights better than bfloat16 does."""
    tensors = {
        name: tensor.half() if tensor.dtype == torch.float32 else tensor for name, tensor in checkpoint.tensors.items()
    }
    return replace(checkpoint, tensors=tensors)


def write_halved(source: Path, target: Path, largest: float = 2**20, most: int = 100) -> list[Path]:
    """Write the weights in `source` to `target` with half the bits; returns the files written.

    largest: MiB of a file; a larger one is cut, into `most` pieces or fewer. Raises `DataError` if `source` cannot be
    read, and if there would be more pieces.
    """
    stage = MOTION if read_metadata(source)["stage"] == MOTION else RENDERER
    write_checkpoint(target, halved(read_checkpoint(source, stage)))
    if target.stat().st_size <= largest * MIB:
        return [target]
    content, part = target.read_bytes(), int(largest * MIB)
    target.unlink()
    pieces = [content[start : start + part] for start in range(0, len(content), part)]
    if len(pieces) > most:
        raise DataError(f"'{source}' needs {len(pieces)} files of {largest:g} MiB, {most} are allowed")
    paths = [target.with_name(f"{target.name}.{number}") for number in range(len(pieces))]
    for path, piece in zip(paths, pieces, strict=True):
        path.write_bytes(piece)
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--largest", type=float, metavar="MIB", default=2**20)
    parser.add_argument("--pieces", type=int, default=100)
    options = parser.parse_args()
    try:
        for path in write_halved(options.weights, options.output, options.largest, options.pieces):
            print(f"{path.name}: {path.stat().st_size / MIB:.1f} MiB")
    except DataError as error:
        print(f"weights.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
