"""Time and memory of dd-prep, compared with decoding and detecting alone.

usage: preparation.py VIDEO... [--repeat 3] [--face prominent]

Prints, for each video, wall time and processor time (this process's and ffmpeg's) of preparing a clip and their ratios
to those of decoding every frame and following its face, and the process's peak memory afterwards. The two are run
alternately; the medians are compared.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.preparation import prepare_clip
from dd_tools.face.settings import PrepSettings
from dd_tools.media.video import read_frames


def detect_alone(path: Path, detector) -> None:
    face = None
    for frame in read_frames(path):
        face = None if face is None else detector.follow(frame.image, face)
        if face is None:
            face = next(iter(detector.detect(frame.image)), None)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of `work`."""
    wall, processor = time.perf_counter(), _processor()
    work()
    return time.perf_counter() - wall, _processor() - processor


def _processor() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--face", default=PrepSettings.face)
    options = parser.parse_args()
    detector, settings = open_detector(), PrepSettings(face=options.face)
    with tempfile.TemporaryDirectory() as folder:
        for video in options.videos:
            target = Path(folder) / "clip.h5"
            pairs = []
            for _ in range(options.repeat):
                alone = seconds(partial(detect_alone, video, detector))
                pairs.append((alone, seconds(partial(prepare_clip, video, target, settings, detector=detector))))
            alone, whole = np.median(pairs, axis=0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{video.name}: wall {whole[0]:.1f} / {alone[0]:.1f} s = {whole[0] / alone[0]:.2f}, "
                f"processor {whole[1]:.1f} / {alone[1]:.1f} s = {whole[1] / alone[1]:.2f}, peak {peak:.0f} MB"
            )


if __name__ == "__main__":
    main()
