"""Whether a generated video shows the face where its truth shows it: otherwise every number would be wrong."""

import numpy as np

from dd_tools.errors import DataError
from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.pairs import Pair
from dd_tools.face.landmarks import JAW

ASPECT_SLACK = 0.02  # of width / height; sizes are rounded
SIZE_SLACK = 0.15  # of the face's size; other methods' faces stay within 0.03, other crops begin at 0.3
SHIFT_SLACK = 0.1  # of the jaw's width; as above 0.03 and 0.2
ENOUGH = 50  # faces after which a difference is sure, so that the rest need not be measured


class Framing:
    """Compares the pictures' shapes and, over a whole clip, the mean faces' sizes and places."""

    def __init__(self, pair: Pair):
        self._pair = pair
        self._faces = np.zeros((2, 68, 2))  # sums of truth's and generated landmarks
        self._count = 0

    def add(self, frame: FramePair) -> None:
        """Take the next frame. Raises `DataError` where the pictures' proportions differ, and once as `check` does."""
        (height, width), (own_height, own_width) = (one.image.shape[:2] for one in (frame.truth, frame.generated))
        if abs(own_width * height / (own_height * width) - 1) > ASPECT_SLACK:
            raise self._error(f"{own_width}×{own_height} pixels against {width}×{height}")
        if frame.landmarks is not None:
            self._faces += frame.landmarks
            self._count += 1
            if self._count == ENOUGH:
                self.check()

    def check(self) -> None:
        """Raise `DataError` if the faces of the frames so far differ in size or place; expressions average out."""
        if not self._count:
            return
        truth, generated = self._faces / self._count
        sizes = [np.linalg.norm(face - face.mean(0)) for face in (truth, generated)]
        shift = np.linalg.norm(generated.mean(0) - truth.mean(0)) / np.ptp(truth[JAW, 0])
        if abs(np.log(sizes[1] / sizes[0])) > np.log(1 + SIZE_SLACK) or shift > SHIFT_SLACK:
            raise self._error(f"its face is {sizes[1] / sizes[0]:.2f} times as large and {shift:.0%} of its width away")

    def _error(self, difference: str) -> DataError:
        pair = self._pair
        return DataError(f"'{pair.generated}' is framed unlike its truth '{pair.truth}': {difference}; crop both alike")
