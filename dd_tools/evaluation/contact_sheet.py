"""A picture of mouths: every n-th of the truth above the generated ones, to look at before believing a number."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.pairs import Pair
from dd_tools.face.landmarks import MOUTH
from dd_tools.formats.atomic import atomic_output

COLUMNS = 16
CELL = (96, 72)  # pixels, width and height of a mouth
SHARE = 0.6  # of the cell's width that the mouth takes
CAPTION = 14  # pixels, height of the line above a pair of rows


class MouthRows:
    """Keeps up to `COLUMNS` mouths of a clip, evenly spaced, without knowing how long it is.

    Every n-th frame with a face in the truth is kept; when that makes too many, every second is dropped and n doubled.
    """

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._every, self._seen = 1, 0

    def add(self, frame: FramePair) -> None:
        """Take the next frame."""
        if frame.truth.landmarks is None:
            return
        if self._seen % self._every == 0:
            if len(self._kept) == COLUMNS:
                self._kept, self._every = self._kept[::2], self._every * 2
            if self._seen % self._every == 0:
                self._kept.append(np.vstack(frame.cut(_mouth_box(frame), *CELL)))
        self._seen += 1

    def image(self) -> np.ndarray:
        """uint8 (2·72, n·96, 3): truth above, generated below, time to the right."""
        return np.hstack(self._kept)


def _mouth_box(frame: FramePair) -> np.ndarray:
    """A box in the cell's proportions around the truth's mouth, as shares of the picture."""
    mouth = frame.truth.landmarks[MOUTH] + 0.5
    low, high = mouth.min(0), mouth.max(0)
    half = (high[0] - low[0]) / SHARE / 2 * np.array([1, CELL[1] / CELL[0]])
    middle = (low + high) / 2
    return np.concatenate([middle - half, middle + half]) / np.tile(frame.truth.image.shape[1::-1], 2)


def write_contact_sheet(clips: dict[Pair, MouthRows], path: str | Path) -> None:
    """One PNG with two rows for every pair, each under its name."""
    images = [
        (f"{pair.system}/{pair.clip}: truth above, generated below", mouths.image()) for pair, mouths in clips.items()
    ]
    width = max(image.shape[1] for _, image in images)
    height = sum(CAPTION + image.shape[0] for _, image in images)
    sheet = Image.new("RGB", (width, height), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for caption, image in images:
        draw.text((2, top + 1), caption, fill="black")
        sheet.paste(Image.fromarray(image), (0, top + CAPTION))
        top += CAPTION + image.shape[0]
    with atomic_output(path) as temporary:
        sheet.save(temporary, format="PNG")
