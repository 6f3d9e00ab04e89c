"""Pairs of a truth frame and a generated frame, and the region of both that is compared.

"Since masked areas vary across methods, we resize all images to an identical resolution for a fair comparison and only
evaluate the lower face area" (paper, Evaluation Metric). The lower face is here a box around the truth's landmarks: as
wide as the jaw line, from the tip of the nose to the chin, with a `MARGIN` left, right and below. The margin is needed
because methods that repaint a rectangle change pixels beyond the jaw.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dd_tools.face.affine import resample
from dd_tools.face.geometry import HEAD_SIDE, fit_poses, paper_mask, scale_of
from dd_tools.face.landmarks import JAW, NOSE_TIP

SIZE = 256  # pixels: side of the compared region, and shorter side of the frames in which distances are measured
MARGIN = 0.1  # of the jaw's width

LOWER_FACE, MASK, FULL = REGIONS = ("lower-face", "mask", "full")

_WHOLE_FRAME = np.array([0.0, 0.0, 1.0, 1.0])

ArrayPair = tuple[np.ndarray, np.ndarray]  # truth, generated


@dataclass(frozen=True)
class FaceFrame:
    """A decoded frame and the landmarks of one face in it.

    pixels: uint8 (H,W,3) RGB. landmarks: float32 (68,2) in pixels of the frame, None if no face was found. pts: time in
    seconds. original: the frame as decoded, if this one was registered to another framing.
    """

    pixels: np.ndarray
    landmarks: np.ndarray | None
    pts: float = 0.0
    original: "FaceFrame | None" = None

    @property
    def size(self) -> np.ndarray:
        """Width and height in pixels, int (2,)."""
        return np.array(self.pixels.shape[1::-1])

    @property
    def relative_landmarks(self) -> np.ndarray | None:
        """Landmarks (68,2) as fractions of width and height; 0 and 1 are the frame's edges."""
        return None if self.landmarks is None else (self.landmarks + 0.5) / self.size

    @cached_property
    def lower_face(self) -> np.ndarray | None:
        """The lower face's box (4,) as fractions of the frame, on whole pixels; None without a face."""
        return None if self.landmarks is None else _clipped(lower_face_box(self.landmarks), self.size)

    @cached_property
    def lower_face_pixels(self) -> np.ndarray:
        """The lower face of a frame that has one, uint8 (256,256,3); see `crop`."""
        return self.crop(self.lower_face)

    def landmarks_in(self, box: np.ndarray) -> np.ndarray:
        """Landmarks (68,2) of a frame that has a face, in pixels of its `crop` to the `box`."""
        return (self.relative_landmarks - box[:2]) / (box[2:] - box[:2]) * SIZE - 0.5

    def crop(self, box: np.ndarray, width: int = SIZE, height: int = SIZE) -> np.ndarray:
        """The `box` resized to uint8 (height, width, 3); pixels beyond the frame repeat its edge.

        box: left, top, right, bottom as fractions of the frame's width and height.
        """
        start, scale = box[:2] * self.size, (box[2:] - box[:2]) * self.size / (width, height)
        if box.min() >= 0 and box.max() <= 1 and np.allclose(scale, 1) and np.allclose(start, np.rint(start)):
            left, top = np.rint(start).astype(int)
            return self.pixels[top : top + height, left : left + width]  # whole pixels: no resampling
        # The centre of the first pixel is (0, 0), half a pixel inside the edge.
        matrix = np.column_stack([np.diag(scale), start + scale / 2 - 0.5])
        return resample(self.pixels, matrix, (width, height))


class FramePair:
    """A truth frame and its generated counterpart. Derived values are computed once, on first use.

    The truth's landmarks alone decide what is cropped, as fractions of the frame; so the generated frame may have
    another size, but must have the same framing. region: what is compared, one of `REGIONS`.
    """

    def __init__(self, truth: FaceFrame, generated: FaceFrame, region: str = LOWER_FACE):
        self.truth = truth
        self.generated = generated
        self._region = region

    def crop(self, box: np.ndarray, width: int = SIZE, height: int = SIZE) -> ArrayPair:
        """The same box of both frames; see `FaceFrame.crop`."""
        return self.truth.crop(box, width, height), self.generated.crop(box, width, height)

    @property
    def lower_face(self) -> np.ndarray | None:
        """The truth's lower face, see `FaceFrame.lower_face`."""
        return self.truth.lower_face

    @cached_property
    def region(self) -> ArrayPair | None:
        """The compared region of both frames, uint8 (256,256,3); None if it needs a face and the truth has none."""
        if self._region == FULL:
            return self.crop(_WHOLE_FRAME)
        if self.lower_face is None:
            return None
        return self.crop(self._head_box if self._region == MASK else self.lower_face)

    @cached_property
    def region_mask(self) -> np.ndarray | None:
        """The pixels of the region that are compared, bool (256,256); None if all are."""
        if self._region != MASK or self.lower_face is None:
            return None
        return paper_mask(self.truth.landmarks_in(self._head_box), SIZE) > 0

    @cached_property
    def landmarks(self) -> ArrayPair | None:
        """Both faces' landmarks (68,2) in pixels of `resized`; None unless both faces were found."""
        truth, generated = self.truth.relative_landmarks, self.generated.relative_landmarks
        if truth is None or generated is None:
            return None
        return truth * self._resized_size, generated * self._resized_size

    @cached_property
    def resized(self) -> ArrayPair:
        """Both whole frames, uint8, resized so that the shorter side of the truth has `SIZE` pixels."""
        return self.crop(_WHOLE_FRAME, *self._resized_size)

    @property
    def _resized_size(self) -> np.ndarray:
        return np.rint(self.truth.size * (SIZE / self.truth.size.min())).astype(int)

    @property
    def _head_box(self) -> np.ndarray:
        """The square that frames the head as in the paper's clips, in which the paper's mask is defined."""
        landmarks = self.truth.landmarks
        centre = (landmarks.min(0) + landmarks.max(0)) / 2 + 0.5
        half = HEAD_SIDE / 2 * scale_of(fit_poses(landmarks[None]))[0]
        return np.concatenate([centre - half, centre + half]) / np.tile(self.truth.size, 2)


def lower_face_box(landmarks: np.ndarray) -> np.ndarray:
    """The lower face's box: left, top, right, bottom (4,) in pixels, from landmarks (68,2)."""
    left, right = landmarks[JAW, 0].min(), landmarks[JAW, 0].max()
    margin = MARGIN * (right - left)
    return np.array([left - margin, landmarks[NOSE_TIP, 1], right + margin, landmarks[JAW, 1].max() + margin])


def _clipped(box: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """A box in pixels, grown to whole pixels and clipped to a frame of `size`, as fractions; None if it is empty."""
    low = np.clip(np.floor(box[:2] + 0.5), 0, size)
    high = np.clip(np.ceil(box[2:] + 0.5), 0, size)
    return np.concatenate([low / size, high / size]) if (high - low).min() >= 1 else None
