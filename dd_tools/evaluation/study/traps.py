"""Attention traps: short videos that show in text which answer to give."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dd_tools.evaluation.study.videos import store_still

_SECONDS = 3
_RATE = 10  # frames per second
_PAPER, _INK = 0x80, 0xFF  # grey levels
_MARGIN = 0.06  # of the width, on either side


def store_trap(text: str, size: tuple[int, int], target: Path) -> float:
    """Write a silent video of `size` (width, height) that shows the lines of `text`. Returns its seconds."""
    return store_still(draw_text(text, size), _SECONDS, _RATE, target)


def draw_text(text: str, size: tuple[int, int]) -> np.ndarray:
    """The lines of `text`, as large as fits, in the middle of a grey frame: uint8 (H, W, 3)."""
    image = Image.new("RGB", size, (_PAPER,) * 3)
    draw = ImageDraw.Draw(image)
    font = _font(draw, text, ((1 - 2 * _MARGIN) * size[0], 0.8 * size[1]))
    centre = (size[0] / 2, size[1] / 2)
    draw.multiline_text(centre, text, (_INK,) * 3, font, anchor="mm", align="center")
    return np.asarray(image)


def _font(draw: ImageDraw.ImageDraw, text: str, room: tuple[float, float]) -> ImageFont.FreeTypeFont:
    """The largest font in which the text fits into `room` (width, height)."""
    size = 100
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, ImageFont.load_default(size))
    return ImageFont.load_default(max(1.0, size * min(room[0] / (right - left), room[1] / (bottom - top))))
