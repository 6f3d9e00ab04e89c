"""What does scoring cost beyond what cannot be saved, decoding both videos and finding the faces?

usage: evaluation_speed.py GENERATED TRUTH

Prints processor seconds (ffmpeg's included) of the two, their ratio, and the peak of memory, with the standard measures
and without LPIPS and LSE.
"""

import os
import resource
import sys
from pathlib import Path

from dd_tools.evaluation.pairs import Pair
from dd_tools.evaluation.protocol import Protocol
from dd_tools.evaluation.scoring import read_pictures, score_pair
from dd_tools.face.detectors.registry import open_detector


def seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    generated, truth = map(Path, sys.argv[1:])
    detector = open_detector()
    start = seconds()
    frames = sum(1 for path in (generated, truth) for _ in read_pictures(path, detector, print)) / 2
    middle = seconds()
    score_pair(Pair("generated", truth.stem, generated, truth), Protocol(), detector)
    seen, scored = middle - start, seconds() - middle
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{frames:.0f} frames: decoding and detecting {seen:.1f} s, scoring {scored:.1f} s, {scored / seen:.2f} times"
    )
    print(f"peak of memory {memory:.0f} MB")


if __name__ == "__main__":
    main()
