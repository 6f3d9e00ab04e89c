"""Whether a generated video shows the face where its truth shows it: otherwise every number would be wrong."""

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.face.landmarks import JAW

ASPECT_SLACK = 0.02  # of width / height; sizes are rounded
SIZE_SLACK = 0.15  # of the face's size; other methods' faces stay within 0.03, other crops begin at 0.3
SHIFT_SLACK = 0.1  # of the jaw's width; as above 0.03 and 0.2
ENOUGH = 25  # faces after which a difference is sure, so that the rest need not be measured


class Framing:
    """Compares the pictures' shapes and, over a clip, the mean faces' sizes and places."""

    def __init__(self) -> None:
        self._faces = np.zeros((2, 68, 2))  # sums of truth's and generated landmarks
        self._sizes = np.zeros((2, 2), int)  # of the pictures
        self.count = 0

    def add(self, frame: FramePair) -> None:
        """Take the next frame."""
        self._sizes = np.array([one.image.shape[1::-1] for one in (frame.truth, frame.generated)])
        if frame.landmarks is not None:
            self._faces += frame.landmarks
            self.count += 1

    def difference(self) -> str | None:
        """How pictures or faces so far differ in shape, size or place; None if they agree. Expressions average out."""
        (width, height), (own_width, own_height) = self._sizes
        if abs(own_width * height - own_height * width) > ASPECT_SLACK * own_height * width:
            return f"{own_width}×{own_height} pixels against {width}×{height}"
        if not self.count:
            return None
        truth, generated = self._faces / self.count
        sizes = [np.linalg.norm(face - face.mean(0)) for face in (truth, generated)]
        shift = np.linalg.norm(generated.mean(0) - truth.mean(0)) / np.ptp(truth[JAW, 0])
        if abs(np.log(sizes[1] / sizes[0])) > np.log(1 + SIZE_SLACK) or shift > SHIFT_SLACK:
            return f"its face is {sizes[1] / sizes[0]:.2f} times as large and {shift:.0%} of its width away"
        return None
