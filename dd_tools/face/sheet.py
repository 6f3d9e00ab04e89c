"""An image of all faces found in a video, with the numbers by which they are chosen."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dd_tools.face.tracking.face_tracks import PORTRAIT_SIZE, FaceTrack
from dd_tools.formats.atomic import atomic_output

COLUMNS = 6
GAP, CAPTION, NUMBER_HEIGHT = 6, 46, 20  # pixels: between tiles, below a portrait, height of the number


def write_sheet(tracks: list[FaceTrack], pts: np.ndarray, path: str | Path) -> None:
    """Write a PNG with one tile per track: portrait, number, time span, and share of all frames.

    pts: (T,) times of the video's frames, in seconds.
    """
    columns = min(COLUMNS, len(tracks))
    width, height = PORTRAIT_SIZE + GAP, PORTRAIT_SIZE + CAPTION + GAP
    size = columns * width + GAP, math.ceil(len(tracks) / columns) * height + GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, track in enumerate(tracks):
        left, top = GAP + number % columns * width, GAP + number // columns * height
        sheet.paste(Image.fromarray(track.portrait), (left, top))
        draw.text((left, top + PORTRAIT_SIZE), str(number), fill="black", font_size=NUMBER_HEIGHT)
        draw.text((left + 3 * NUMBER_HEIGHT // 2, top + PORTRAIT_SIZE + 1), _caption(track, pts), fill="black")
    with atomic_output(path) as temporary:
        sheet.save(temporary, format="PNG")


def _caption(track: FaceTrack, pts: np.ndarray) -> str:
    first, last = pts[track.indices[0]], pts[track.indices[-1]]
    return f"{first:.2f}-{last:.2f} s\n{len(track.indices) / len(pts):.0%} of all frames"
