"""How much time does scoring add to decoding both videos and finding the faces?

usage: evaluation_speed.py GENERATED TRUTH

Prints the CPU time in seconds (including ffmpeg) of decoding and detection alone and of a complete run without LPIPS
and LSE, their ratio, and the peak memory.
"""

import os
import resource
import sys
from pathlib import Path

from dd_tools.evaluation.decoding import read_face_frames
from dd_tools.evaluation.pairs import VideoPair
from dd_tools.evaluation.protocol import EvaluationProtocol
from dd_tools.evaluation.scoring import score_pair
from dd_tools.face.detectors.registry import open_detector


def seconds() -> float:
    """CPU time of this process and of its finished children."""
    return sum(os.times()[:4])


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    generated, truth = map(Path, sys.argv[1:])
    detector = open_detector()
    start = seconds()
    frames = sum(1 for path in (generated, truth) for _ in read_face_frames(path, detector, print)) / 2
    middle = seconds()
    score_pair(VideoPair("generated", truth.stem, generated, truth), EvaluationProtocol(), detector)
    decoding, scoring = middle - start, seconds() - middle
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{frames:.0f} frames: decoding and detection {decoding:.1f} s, "
        f"complete run {scoring:.1f} s, {scoring / decoding:.2f} times as long"
    )
    print(f"peak memory {memory:.0f} MB")


if __name__ == "__main__":
    main()
