"""Make the README's first picture: frames of a video, the same frames dubbed, and a portrait that speaks.

    python examples/result.py VIDEO SPEECH PORTRAIT PORTRAIT-SPEECH -o result.png

The one in the README shows speaker s34 of the GRID corpus (Cooke et al. 2006, CC BY 4.0), who is not in the training
data, and the portrait of Eileen Collins in scikit-image (NASA, public domain), both with kennedy.flac.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import dd_tools
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.landmarks import extent
from dd_tools.media.video import read_frames

COLUMNS, CELL = 8, 150  # frames per row, and their side in pixels
HEAD_SIDE = 1.5  # side of what a cell shows, in sizes of the face


def row(video: Path, box: tuple[float, ...], count: int) -> np.ndarray:
    """`COLUMNS` evenly spaced ones of the first `count` frames of a video, cropped to the box: uint8 (CELL, ..., 3)."""
    shown = set(np.linspace(0, count - 1, COLUMNS).round().astype(int))
    frames = [frame.image for number, frame in enumerate(read_frames(video)) if number in shown]
    cells = [Image.fromarray(frame).resize((CELL, CELL), Image.Resampling.LANCZOS, box) for frame in frames]
    return np.hstack([np.asarray(cell) for cell in cells])


def face_box(video: Path) -> tuple[float, ...]:
    """Left, top, right, bottom in pixels of a square around the largest face in the first frame."""
    image = next(read_frames(video)).image
    (landmarks, *_) = open_detector().detect(image)
    half = min(HEAD_SIDE * float(extent(landmarks)), *image.shape[:2]) / 2
    centre = (landmarks.min(0) + landmarks.max(0)) / 2
    x, y = np.clip(centre, half, np.array(image.shape[1::-1]) - half)
    return float(x - half), float(y - half), float(x + half), float(y + half)


def length(video: Path) -> int:
    """Number of frames."""
    return sum(1 for _ in read_frames(video))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("video", "speech", "portrait", "portrait_speech"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dubbed, speaking = Path(folder) / "dubbed.mp4", Path(folder) / "speaking.mp4"
        dd_tools.dub(options.video, options.speech, dubbed)
        dd_tools.dub(options.portrait, options.portrait_speech, speaking)
        box, count = face_box(options.video), length(dubbed)
        rows = [row(options.video, box, count), row(dubbed, box, count)]
        rows.append(row(speaking, face_box(options.portrait), length(speaking)))
    Image.fromarray(np.vstack(rows)).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
