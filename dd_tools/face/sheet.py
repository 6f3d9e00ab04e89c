"""A picture of all faces found in a video, each with its number, to choose one by."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dd_tools.face.company import PORTRAIT, FaceTrack
from dd_tools.formats.atomic import atomic_output

COLUMNS = 6
GAP, CAPTION, LARGE = 6, 46, 20  # pixels: between tiles, below a portrait, the number's height


def write_sheet(tracks: list[FaceTrack], pts: np.ndarray, path: str | Path) -> None:
    """One PNG with a tile for each of `tracks`: portrait, number, time span, and in how many of all frames it is seen.

    pts: times (T,) of the video's frames.
    """
    columns = min(COLUMNS, len(tracks))
    width, height = PORTRAIT + GAP, PORTRAIT + CAPTION + GAP
    size = columns * width + GAP, math.ceil(len(tracks) / columns) * height + GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, track in enumerate(tracks):
        left, top = GAP + number % columns * width, GAP + number // columns * height
        sheet.paste(Image.fromarray(track.portrait), (left, top))
        draw.text((left, top + PORTRAIT), str(number), fill="black", font_size=LARGE)
        draw.text((left + 3 * LARGE // 2, top + PORTRAIT + 1), describe(track, pts), fill="black")
    with atomic_output(path) as temporary:
        sheet.save(temporary, format="PNG")


def describe(track: FaceTrack, pts: np.ndarray) -> str:
    """Where it is seen, in two lines."""
    first, last = pts[track.frames[0]], pts[track.frames[-1]]
    return f"{first:.2f}-{last:.2f} s\n{len(track.frames) / len(pts):.0%} of all frames"
