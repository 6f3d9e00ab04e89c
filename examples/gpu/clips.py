"""Pack a folder of clips so small that it can be copied to a GPU machine, and unpack it there.

usage: clips.py pack CLIP.h5... -o FOLDER [--size MIB] [--speakers FILE.tsv] [--frames N] [--crf 12]
       clips.py unpack FOLDER -o FOLDER

pack writes NAME.npz for every clip, see `packed_clip`, with the frames that have a usable face. If the result would be
larger than --size, it leaves out frames of the speakers who have most, so that all keep the same number N, or fewer if
they have fewer; --frames sets N. unpack writes NAME.h5, in as many processes as there are processors.
"""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from packed_clip import pack, unpack

from dd_tools.errors import DataError
from dd_tools.formats.clip import Clip
from dd_tools.training.clips import read_speakers

MIB = 2**20
SHORTEST = 25  # frames of a clip; the first one costs as much as ten others


def usable_frames(paths: list[Path]) -> dict[Path, np.ndarray]:
    """Clip file to the indices of its usable frames, for clips that have any."""
    found = {}
    for path in paths:
        with Clip(path) as clip:
            found[path] = clip.usable
    return {path: usable for path, usable in found.items() if len(usable)}


def allowances(counts: Mapping[Path, int], speakers: Mapping[str, str], limit: int) -> dict[Path, int]:
    """Clip file to the number of frames to keep of it, such that no speaker keeps more than `limit`.

    counts: frames of every clip. speakers: clip name to speaker; a clip that is not listed is a speaker of its own.
    A speaker with several clips keeps a share of each, of `SHORTEST` frames or more, until there are no more frames.
    """
    of_speaker: dict[str, list[Path]] = defaultdict(list)
    for path in counts:
        of_speaker[speakers.get(path.stem, f"clip {path.stem}")].append(path)
    kept = {}
    for paths in of_speaker.values():
        left = limit
        for number, path in enumerate(sorted(paths, key=counts.__getitem__)):
            share = max(left // (len(paths) - number), min(SHORTEST, left))
            kept[path] = min(counts[path], share)
            left -= kept[path]
    return {path: count for path, count in kept.items() if count >= min(SHORTEST, counts[path])}


def largest_limit(sizes: Mapping[Path, int], counts: Mapping[Path, int], speakers: Mapping[str, str], most: int) -> int:
    """The largest number of frames per speaker with which all packed clips fit into `most` bytes together.

    sizes: bytes of every packed clip when all its frames are kept. A clip of fewer frames is taken to be as much
    smaller, except for its first frame, which is as large as ten others.
    """

    def total(limit: int) -> float:
        kept = allowances(counts, speakers, limit)
        return sum(sizes[path] * (kept[path] + 10) / (counts[path] + 10) for path in kept)

    low, high = 1, sum(counts.values())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if total(middle) <= most else (low, middle - 1)
    return low


def pack_one(crf: int, folder: Path, path: Path, frames: np.ndarray | None) -> int:
    """Pack a clip into `folder`; returns the bytes of the file. frames: see `pack`."""
    target = folder / f"{path.stem}.npz"
    pack(path, target, crf=crf, frames=frames)
    return target.stat().st_size


def pack_all(options: argparse.Namespace) -> None:
    """Pack the clips that the options name, and print what was kept."""
    options.output.mkdir(parents=True, exist_ok=True)
    usable = usable_frames(options.inputs)
    counts = {path: len(frames) for path, frames in usable.items()}
    speakers = read_speakers(options.speakers) if options.speakers else {}
    one = partial(pack_one, options.crf, options.output)
    limit = options.frames or sum(counts.values())
    kept = allowances(counts, speakers, limit)
    with ProcessPoolExecutor(options.processes) as pool:
        sizes = dict(zip(kept, pool.map(one, kept, [usable[path][: kept[path]] for path in kept]), strict=True))
        while sum(sizes.values()) > options.size * MIB:
            if limit == 0:
                raise DataError(f"no clips fit into {options.size:.1f} MiB")
            before, limit = kept, min(limit - 1, largest_limit(sizes, kept, speakers, round(options.size * MIB)))
            kept = allowances(kept, speakers, limit)
            for path in before.keys() - kept.keys():
                (options.output / f"{path.stem}.npz").unlink()
            smaller = [path for path in kept if kept[path] < before[path]]
            sizes = {path: sizes[path] for path in kept}
            sizes |= zip(smaller, pool.map(one, smaller, [usable[p][: kept[p]] for p in smaller]), strict=True)
    frames, size = sum(kept.values()), sum(sizes.values())
    print(f"{len(kept)} of {len(options.inputs)} clips, {frames} of {sum(counts.values())} usable frames", end=", ")
    print(f"at most {limit} per speaker: {size / MIB:.1f} MiB, {size / max(1, frames):.0f} bytes per frame")


def unpack_one(folder: Path, path: Path) -> int:
    """Unpack a file into `folder`; returns the number of frames."""
    cv2.setNumThreads(1)  # there are as many processes as processors
    return unpack(path, folder / f"{path.stem}.h5")


def unpack_all(options: argparse.Namespace) -> None:
    """Unpack every packed clip in a folder, the largest first, and print how many."""
    began, (folder,) = time.monotonic(), options.inputs
    options.output.mkdir(parents=True, exist_ok=True)
    paths = sorted(folder.glob("*.npz"), key=lambda path: -path.stat().st_size)
    if not paths:
        raise DataError(f"cannot read '{folder}': no packed clips in it")
    with ProcessPoolExecutor(options.processes) as pool:
        frames = sum(pool.map(partial(unpack_one, options.output), paths))
    print(f"{len(paths)} clips, {frames} frames unpacked in {time.monotonic() - began:.1f} s")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["pack", "unpack"])
    parser.add_argument("inputs", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--size", type=float, default=30, help="MiB, of all packed clips together")
    parser.add_argument("--frames", type=int, help="of every speaker, at most")
    parser.add_argument("--speakers", type=Path)
    parser.add_argument("--crf", type=int, default=12)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    try:
        (pack_all if options.action == "pack" else unpack_all)(options)
    except DataError as error:
        print(f"clips.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
