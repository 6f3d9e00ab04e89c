"""An image with mouths of every video: those of every n-th frame of the truth, and the generated ones below them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.pairs import VideoPair
from dd_tools.face.landmarks import MOUTH
from dd_tools.formats.atomic import atomic_output
from dd_tools.spelling import spelled

COLUMNS = 16
CELL_SIZE = (96, 72)  # width and height in pixels
MOUTH_WIDTH = 0.6  # of the cell's width
CAPTION_HEIGHT = 14  # pixels


class MouthRows:
    """An observer that keeps up to `COLUMNS` evenly spaced mouths of a clip of unknown length.

    It keeps every n-th frame with a face in the truth. If they become too many, every second one is dropped and n is
    doubled.
    """

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._step, self._seen = 1, 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.truth.landmarks is None:
            return
        if self._seen % self._step == 0:
            if len(self._kept) == COLUMNS:
                self._kept, self._step = self._kept[::2], self._step * 2
            if self._seen % self._step == 0:
                self._kept.append(np.vstack(frame.crop(_mouth_box(frame), *CELL_SIZE)))
        self._seen += 1

    def pixels(self) -> np.ndarray:
        """uint8 (2·72, n·96, 3) RGB: truth above, generated below, time to the right."""
        return np.hstack(self._kept)


def _mouth_box(frame: FramePair) -> np.ndarray:
    """A box with the cell's aspect ratio around the truth's mouth, as fractions of the frame."""
    mouth = frame.truth.landmarks[MOUTH] + 0.5
    low, high = mouth.min(0), mouth.max(0)
    half = (high[0] - low[0]) / MOUTH_WIDTH / 2 * np.array([1, CELL_SIZE[1] / CELL_SIZE[0]])
    centre = (low + high) / 2
    return np.concatenate([centre - half, centre + half]) / np.tile(frame.truth.size, 2)


def write_contact_sheet(clips: dict[VideoPair, MouthRows], path: str | Path) -> None:
    """Write a PNG with a caption and two rows of mouths for every pair."""
    rows = [
        (f"{spelled(f'{pair.system}/{pair.clip}')}: truth above, generated below", mouths.pixels())
        for pair, mouths in clips.items()
    ]
    width = max(pixels.shape[1] for _, pixels in rows)
    height = sum(CAPTION_HEIGHT + pixels.shape[0] for _, pixels in rows)
    sheet = Image.new("RGB", (width, height), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for caption, pixels in rows:
        draw.text((2, top + 1), caption, fill="black")
        sheet.paste(Image.fromarray(pixels), (0, top + CAPTION_HEIGHT))
        top += CAPTION_HEIGHT + pixels.shape[0]
    with atomic_output(path) as temporary:
        sheet.save(temporary, format="PNG")
