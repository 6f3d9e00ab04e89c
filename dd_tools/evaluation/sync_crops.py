"""What SyncNet sees of a frame: the two published crops."""

from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np

from dd_tools.evaluation.frames import Picture
from dd_tools.evaluation.streams import Centred

SIZE = 224  # pixels of what SyncNet sees
SCALE = 0.4  # how far the crop goes beyond the face's box, in its halves
MEDIAN = 13  # frames over which boxes are smoothed
GREY = 110  # beyond the picture
FOREHEAD = 0.25  # above the brows, in heights of the landmarks; there the published detector's boxes begin

TimedFace = tuple[float, np.ndarray]


class Crop(Protocol):
    """Makes faces uint8 (224,224,3) BGR of pictures, each with its picture's time."""

    settings: str

    def add(self, picture: Picture) -> Iterator[TimedFace]:
        """Take a picture; give the faces that are ready."""

    def rest(self) -> Iterator[TimedFace]:
        """Give those that were waiting for more pictures."""


class WholeFrame(Crop):
    """The frame squeezed into a square, as published for LRS, whose frames hold little but a face."""

    settings = "lrs-whole-frame"

    def add(self, picture: Picture) -> Iterator[TimedFace]:
        """See `Crop.add`."""
        yield picture.pts, _as_input(picture.image)

    def rest(self) -> Iterator[TimedFace]:
        """See `Crop.rest`."""
        return iter(())


class FaceTrack(Crop):
    """A square around the face, as published for videos at large; the box is the landmarks', not a face detector's.

    Boxes are the median of 13 frames; where there is no face, the last one stays.
    """

    settings = f"real-landmark-box-scale-{SCALE}"

    def __init__(self) -> None:
        self._window: Centred[tuple[Picture, np.ndarray | None]] = Centred(MEDIAN // 2)
        self._box: np.ndarray | None = None

    def add(self, picture: Picture) -> Iterator[TimedFace]:
        """See `Crop.add`."""
        box = None if picture.landmarks is None else face_box(picture.landmarks)
        for (middle, _), around in self._window.add((picture, box)):
            yield self._cut(middle, around)

    def rest(self) -> Iterator[TimedFace]:
        """See `Crop.rest`."""
        for (middle, _), around in self._window.rest():
            yield self._cut(middle, around)

    def _cut(self, picture: Picture, around: list[tuple[Picture, np.ndarray | None]]) -> TimedFace:
        known = [box for _, box in around if box is not None]
        if known:
            self._box = np.median(known, axis=0)
        return picture.pts, _as_input(picture.image if self._box is None else cut_face(picture.image, self._box))


def face_box(landmarks: np.ndarray) -> np.ndarray:
    """Centre x, y and half the longer side, in pixels, of the box from forehead to chin of landmarks (68,2)."""
    low, high = landmarks.min(0), landmarks.max(0)
    low = low - (0, FOREHEAD * (high[1] - low[1]))
    return np.array([*(low + high) / 2, (high - low).max() / 2])


def cut_face(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The published crop of a `face_box`: 1.4 halves to the sides, 1 above and 1.8 below, grey beyond the picture."""
    x, y, half = box
    margin = int(half * (1 + 2 * SCALE))
    padded = cv2.copyMakeBorder(image, *(margin,) * 4, cv2.BORDER_CONSTANT, value=(GREY,) * 3)
    x, y, side = x + margin, y + margin, half * (1 + SCALE)
    return padded[int(y - half) : int(y + half * (1 + 2 * SCALE)), int(x - side) : int(x + side)]


def _as_input(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (SIZE, SIZE))[..., ::-1]


CROPS: dict[str, type[Crop]] = {"real": FaceTrack, "lrs": WholeFrame}
