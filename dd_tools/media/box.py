"""Rectangles of whole pixels."""

from typing import NamedTuple

import numpy as np

CHROMA_BLOCK = 16  # pixels: a multiple of the chroma subsampling of every pixel format


class Box(NamedTuple):
    """A rectangle of a frame, in pixels. The right column and the bottom row are not part of it.

    left: first column.
    top: first row.
    right: column after the last.
    bottom: row after the last.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """The rectangle of `frame` (H, W, ...), as a view."""
        return frame[self.top : self.bottom, self.left : self.right]

    def widened(self, width: int, height: int) -> "Box":
        """The box enlarged to all pixels from which its chroma is interpolated, clipped to a frame of this size.

        Its edges are multiples of `CHROMA_BLOCK`, at least one block outside this box, or edges of the frame.
        """
        low = (max(0, (edge // CHROMA_BLOCK - 1) * CHROMA_BLOCK) for edge in (self.left, self.top))
        high = (
            min(end, (-(-edge // CHROMA_BLOCK) + 1) * CHROMA_BLOCK)
            for edge, end in ((self.right, width), (self.bottom, height))
        )
        return Box(*low, *high)
