"""How far is the box of SyncNet's input, which is derived from landmarks, from that of a face detector?

    pip install --no-deps facenet-pytorch
    python tests/benchmarks/sync_box.py VIDEO...

The detector is MTCNN. The published code uses S3FD; both were trained on the boxes of WIDER FACE. Numbers are in sides
of MTCNN's box: where our centre is to the right and below, and our side. Each line has the medians over every fifth of
the first 100 frames of a video; the last ones are over the videos.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from dd_tools.evaluation.measures.sync.crops import face_box
from dd_tools.face.detectors.protocol import Detector
from dd_tools.face.detectors.registry import open_detector
from dd_tools.media.video import read_frames

FRAMES, STEP = 100, 5
SIDE = 320  # pixels, to which larger frames are shrunk for MTCNN
MIN_PROBABILITY = 0.9


def open_mtcnn() -> Callable[[np.ndarray], np.ndarray]:
    """A function from a frame to the faces' centres and half sides (N, 3) in pixels."""
    from facenet_pytorch import MTCNN

    network = MTCNN(keep_all=True, device="cpu")

    def boxes(image: np.ndarray) -> np.ndarray:
        scale = min(1, SIDE / max(image.shape[:2]))
        found, probability = network.detect(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        if found is None:
            return np.empty((0, 3))
        low, high = np.split(found[probability > MIN_PROBABILITY], 2, axis=1)
        return np.column_stack([(low + high) / 2, (high - low).max(1) / 2]) / scale

    return boxes


def differences(video: Path, detector: Detector, boxes: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
    """Of each face that both find: centre of the box from landmarks (x, y) and its side, relative to the other box."""
    for frame in islice(read_frames(video), 0, FRAMES, STEP):
        ours = np.array([face_box(landmarks) for landmarks in detector.detect(frame.image)])
        for x, y, half in boxes(frame.image) if len(ours) else ():
            offset = (ours[:, :2] - (x, y)) / (2 * half)
            nearest = np.linalg.norm(offset, axis=1).argmin()
            if np.linalg.norm(offset[nearest]) < 0.5:
                yield np.array([*offset[nearest], ours[nearest, 2] / half])


def main() -> None:
    """Print a line for each video, then how the videos differ."""
    detector, boxes, medians = open_detector(), open_mtcnn(), []
    print(f"{'':24} {'right':>7} {'below':>7} {'side':>7}")
    for video in map(Path, sys.argv[1:]):
        found = list(differences(video, detector, boxes))
        if found:
            medians.append(np.median(found, axis=0))
            print(
                f"{video.stem[:24]:24}", *(f"{value:7.3f}" for value in medians[-1]), f"{len(found)} faces", flush=True
            )
    values = np.array(medians)
    print(f"{f'mean of {len(values)}':24}", *(f"{value:7.3f}" for value in values.mean(0)))
    distance, error = np.linalg.norm(values[:, :2], axis=1), np.abs(values[:, 2] - 1)
    for share in (50, 90, 95, 100):
        print(f"{share} % of them: centre within {np.percentile(distance, share):.3f}, side within "
              f"{np.percentile(error, share):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
