"""Whether a generated video frames the face as its truth does. If not, comparing pixels is meaningless."""

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.face.landmarks import JAW

ASPECT_TOLERANCE = 0.02  # relative, for frame sizes that were rounded
SIZE_TOLERANCE = 0.15  # relative face size: up to 0.03 in outputs with the truth's framing, 0.3 and more in other crops
SHIFT_TOLERANCE = 0.1  # of the jaw's width: likewise up to 0.03, and 0.2 and more
ENOUGH_FACES = 25  # number of frames with both faces after which the decision is made


class FramingCheck:
    """Compares aspect ratios and, averaged over the frames so far, the faces' sizes and positions.

    Facial expressions change both, but average out.
    """

    def __init__(self) -> None:
        self._landmark_sums = np.zeros((2, 68, 2))  # truth, generated
        self._frame_sizes = np.zeros((2, 2), int)
        self.count = 0  # frames in which both faces were found

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        self._frame_sizes = np.array([frame.truth.size, frame.generated.size])
        if frame.landmarks is not None:
            self._landmark_sums += frame.landmarks
            self.count += 1

    def difference(self) -> str | None:
        """How the framings differ, as part of an error message; None if they agree."""
        (width, height), (generated_width, generated_height) = self._frame_sizes
        if abs(generated_width * height - generated_height * width) > ASPECT_TOLERANCE * generated_height * width:
            return f"aspect ratio of {generated_width}×{generated_height}, expected that of {width}×{height}"
        if not self.count:
            return None
        truth, generated = self._landmark_sums / self.count
        truth_size, generated_size = (np.linalg.norm(face - face.mean(0)) for face in (truth, generated))
        ratio = generated_size / truth_size
        shift = np.linalg.norm(generated.mean(0) - truth.mean(0)) / np.ptp(truth[JAW, 0])
        if abs(np.log(ratio)) > np.log(1 + SIZE_TOLERANCE) or shift > SHIFT_TOLERANCE:
            return f"the face is {ratio:.2f} times as large and shifted by {shift:.0%} of its width"
        return None
