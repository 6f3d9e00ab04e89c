"""SyncNet's video input: the two published ways to crop a frame."""

from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np

from dd_tools.evaluation.centred_window import CentredWindow
from dd_tools.evaluation.frames import FaceFrame

SIZE = 224  # pixels, side of the input
SCALE = 0.4  # margin of the crop, in half sides of the face's box
SMOOTHING = 13  # frames in the median filter over boxes
GREY = 110  # padding beyond the frame
FOREHEAD = 0.25  # height above the brows in heights of the landmarks; the published face detector includes it

TimedFace = tuple[float, np.ndarray]


class Crop(Protocol):
    """Crops frames to faces uint8 (224,224,3) BGR, each with its frame's time in seconds.

    settings: the crop's name for the signature.
    """

    settings: str

    def add(self, frame: FaceFrame) -> Iterator[TimedFace]:
        """Take a frame; yield the faces that are ready."""

    def flush(self) -> Iterator[TimedFace]:
        """Yield the remaining faces after the last `add`."""


class WholeFrame(Crop):
    """The whole frame resized to a square: the published input for LRS, whose frames are already face crops."""

    settings = "lrs-whole-frame"

    def add(self, frame: FaceFrame) -> Iterator[TimedFace]:
        """See `Crop.add`."""
        yield frame.pts, _as_input(frame.pixels)

    def flush(self) -> Iterator[TimedFace]:
        """See `Crop.flush`."""
        return iter(())


class FaceCrop(Crop):
    """A square around the face: the published input for other videos, except that the box is derived from landmarks.

    Boxes are smoothed by a median over 13 frames. If none of these has a face, the last box is used; before the first
    box it is the whole frame.

    The published code (run_pipeline.py of SyncNet's authors) uses the box of the face detector S3FD: its centre and
    half of its longer side. S3FD's weights were not at hand to measure how far a `face_box` is from that. Compared with
    the boxes of MTCNN, which like S3FD was trained on WIDER FACE, whose boxes enclose forehead, chin and cheeks, it is
    (medians of 63 clips of some 50 people, in sides of MTCNN's box; ``tests/benchmarks/sync_box.py``)

    - as large on average, within 12 % in nine of ten clips, and 27 % larger at most;
    - 1 % to the right and 2.5 % below on average, within 7.5 % in 19 of 20 clips, and 10 % away at most.

    For S3FD the same is assumed. The published code also re-encodes the frames with loss, bridges gaps of up to 25
    frames by interpolation, and takes zeros beyond the ends into the median.
    """

    settings = f"real-landmark-box-scale-{SCALE}"

    def __init__(self) -> None:
        self._window: CentredWindow[tuple[FaceFrame, np.ndarray | None]] = CentredWindow(SMOOTHING // 2)
        self._box: np.ndarray | None = None

    def add(self, frame: FaceFrame) -> Iterator[TimedFace]:
        """See `Crop.add`."""
        box = None if frame.landmarks is None else face_box(frame.landmarks)
        for (middle, _), window in self._window.add((frame, box)):
            yield self._crop(middle, window)

    def flush(self) -> Iterator[TimedFace]:
        """See `Crop.flush`."""
        for (middle, _), window in self._window.flush():
            yield self._crop(middle, window)

    def _crop(self, frame: FaceFrame, window: list[tuple[FaceFrame, np.ndarray | None]]) -> TimedFace:
        known = [box for _, box in window if box is not None]
        if known:
            self._box = np.median(known, axis=0)
        return frame.pts, _as_input(frame.pixels if self._box is None else crop_face(frame.pixels, self._box))


def face_box(landmarks: np.ndarray) -> np.ndarray:
    """Centre x, y and half of the longer side (3,) in pixels of the box from forehead to chin; landmarks (68,2)."""
    low, high = landmarks.min(0), landmarks.max(0)
    low = low - (0, FOREHEAD * (high[1] - low[1]))
    return np.array([*(low + high) / 2, (high - low).max() / 2])


def crop_face(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The published crop of a `face_box`: 1.4 half sides left and right, 1 above, 1.8 below, grey beyond the frame."""
    x, y, half = box
    margin = int(half * (1 + 2 * SCALE))
    padded = cv2.copyMakeBorder(pixels, *(margin,) * 4, cv2.BORDER_CONSTANT, value=(GREY,) * 3)
    x, y, side = x + margin, y + margin, half * (1 + SCALE)
    return padded[int(y - half) : int(y + half * (1 + 2 * SCALE)), int(x - side) : int(x + side)]


def _as_input(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (SIZE, SIZE))[..., ::-1]


CROPS: dict[str, type[Crop]] = {"real": FaceCrop, "lrs": WholeFrame}
