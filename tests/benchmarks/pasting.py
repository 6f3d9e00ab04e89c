"""Processor time of pasting painted crops into frames, compared with encoding them.

usage: pasting.py VIDEO [FRAMES]

Encodes the first frames of a video with a face unchanged, then with a painted crop pasted into each. Processor time
includes ffmpeg's.
"""

import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import cv2

from dd_tools.face.compositing import paste
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.preparation import prepare_clip
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.clip import Clip
from dd_tools.media.encode import VideoWriter
from dd_tools.media.video import probe, read_frames


def cpu_seconds() -> float:
    """User and system time of this process and of its finished child processes."""
    return sum(os.times()[:4])


def main(video: Path, count: int) -> None:
    """Measure both twice, alternately."""
    info = probe(video)
    with tempfile.TemporaryDirectory() as folder:
        clip_path = Path(folder) / "clip.h5"
        prepare_clip(video, clip_path, PrepSettings(), detector=open_detector())
        frames = [frame.image for frame in islice(read_frames(video), count)]
        with Clip(clip_path) as clip:
            crops = [clip.frames[index] for index in range(len(frames))]
            masks = [clip.mask[index] for index in range(len(frames))]
            maps = [clip.crop_to_source[index] for index in range(len(frames))]
        painted = [cv2.GaussianBlur(crop, (0, 0), 1) for crop in crops]
        for _ in range(2):
            spent = {}
            for pasting in (False, True):
                start, wall = cpu_seconds(), time.perf_counter()
                with VideoWriter(Path(folder) / "out.mp4", info.width, info.height, info.frame_rate) as writer:
                    for index, frame in enumerate(frames):
                        if pasting:
                            frame = paste(frame, painted[index], crops[index], masks[index], maps[index])
                        writer.write(frame, index / info.frame_rate)
                spent[pasting] = cpu_seconds() - start
                name = "paste and encode" if pasting else "encode"
                each = 1000 / len(frames)
                took = (time.perf_counter() - wall) * each
                print(f"{name}: {spent[pasting] * each:.1f} ms CPU, {took:.1f} ms per frame")
            print(f"ratio {spent[True] / spent[False]:.2f} at {info.width}x{info.height}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40)
