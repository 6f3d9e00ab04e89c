"""A frame of the truth and its generated counterpart, and the region of both that is compared.

"Since masked areas vary across methods, we resize all images to an identical resolution and only evaluate the lower
face area" (paper, Evaluation Metric). The lower face here is a box around the truth's landmarks: the jaw line's width,
from the tip of the nose to the chin, with a `MARGIN` at both sides and below. The margin is there for that sentence's
sake: methods that paint a rectangle reach beyond the jaw, and a tighter box would not see what they spoil there.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dd_tools.face.affine import resample
from dd_tools.face.geometry import HEAD_SIDE, fit_poses, paper_mask, scale_of
from dd_tools.face.landmarks import JAW, NOSE_TIP

SIZE = 256  # pixels: what regions are resized to, and the shorter side of the pictures in which distances count
MARGIN = 0.1  # of the jaw's width

LOWER_FACE, MASK, FULL = REGIONS = ("lower-face", "mask", "full")

Images = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Picture:
    """A decoded frame: image uint8 (H,W,3) RGB; landmarks float32 (68,2) in its pixels, None where no face is found.

    pts: its time in seconds. original: the picture as it was decoded, where this one was moved to another framing.
    """

    image: np.ndarray
    landmarks: np.ndarray | None
    pts: float = 0.0
    original: "Picture | None" = None

    @property
    def relative_landmarks(self) -> np.ndarray | None:
        """Landmarks as shares of the picture's width and height; 0 and 1 are its edges."""
        height, width = self.image.shape[:2]
        return None if self.landmarks is None else (self.landmarks + 0.5) / (width, height)

    def cut(self, box: np.ndarray, width: int = SIZE, height: int = SIZE) -> np.ndarray:
        """The `box` (left, top, right, bottom, as shares of the picture) resized to uint8 (height, width, 3)."""
        size = np.array(self.image.shape[1::-1])
        start, scale = box[:2] * size, (box[2:] - box[:2]) * size / (width, height)
        if box.min() >= 0 and box.max() <= 1 and np.allclose(scale, 1) and np.allclose(start, np.rint(start)):
            left, top = np.rint(start).astype(int)
            return self.image[top : top + height, left : left + width]  # whole pixels: nothing to resample
        # The centre of the first pixel is (0, 0), half a pixel inside the edge.
        matrix = np.column_stack([np.diag(scale), start + scale / 2 - 0.5])
        return resample(self.image, matrix, (width, height))


class FramePair:
    """One frame as the measures see it. Everything derived is computed once and only if a measure asks for it.

    Where to cut is decided by the truth's landmarks alone, and as shares of the picture, so the generated picture may
    have another size; it must have the same framing.
    """

    def __init__(self, truth: Picture, generated: Picture, region: str = LOWER_FACE):
        self.truth = truth
        self.generated = generated
        self._kind = region

    def cut(self, box: np.ndarray, width: int = SIZE, height: int = SIZE) -> Images:
        """The same box of both pictures."""
        return self.truth.cut(box, width, height), self.generated.cut(box, width, height)

    @cached_property
    def lower_face(self) -> np.ndarray | None:
        """The lower face's box within the truth, in whole pixels of it, as shares; None without a face."""
        if self.truth.landmarks is None:
            return None
        return _within(self.truth, lower_face_box(self.truth.landmarks))

    @cached_property
    def region(self) -> Images | None:
        """What is compared: truth and generated, uint8 (256,256,3); None where that needs a face and there is none."""
        if self._kind == FULL:
            return self.cut(np.array([0.0, 0.0, 1.0, 1.0]))
        if self.lower_face is None:
            return None
        return self.cut(self._head if self._kind == MASK else self.lower_face)

    @cached_property
    def inside(self) -> np.ndarray | None:
        """Which pixels of the region count: bool (256,256), or None for all of them."""
        if self._kind != MASK or self.lower_face is None:
            return None
        head = self._head
        landmarks = (self.truth.relative_landmarks - head[:2]) / (head[2:] - head[:2]) * SIZE - 0.5
        return paper_mask(landmarks, SIZE) > 0

    @cached_property
    def landmarks(self) -> Images | None:
        """Both pictures' landmarks, in pixels of pictures whose shorter side is `SIZE`; None unless both are found."""
        truth, generated = self.truth.relative_landmarks, self.generated.relative_landmarks
        if truth is None or generated is None:
            return None
        return truth * self._common_size, generated * self._common_size

    @cached_property
    def whole(self) -> Images:
        """Both pictures with a shorter side of `SIZE` pixels."""
        return self.cut(np.array([0.0, 0.0, 1.0, 1.0]), *self._common_size)

    @property
    def _common_size(self) -> np.ndarray:
        size = np.array(self.truth.image.shape[1::-1])
        return np.rint(size * (SIZE / size.min())).astype(int)

    @property
    def _head(self) -> np.ndarray:
        """Box of a square that frames the head as in the paper's clips, where the mask is defined."""
        landmarks = self.truth.landmarks
        middle = (landmarks.min(0) + landmarks.max(0)) / 2 + 0.5
        half = HEAD_SIDE / 2 * scale_of(fit_poses(landmarks[None]))[0]
        return np.concatenate([middle - half, middle + half]) / np.tile(self.truth.image.shape[1::-1], 2)


def lower_face_box(landmarks: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom, in pixels, of the lower face of landmarks (68,2): see the module's text."""
    left, right = landmarks[JAW, 0].min(), landmarks[JAW, 0].max()
    margin = MARGIN * (right - left)
    return np.array([left - margin, landmarks[NOSE_TIP, 1], right + margin, landmarks[JAW, 1].max() + margin])


def _within(picture: Picture, box: np.ndarray) -> np.ndarray | None:
    """The box grown to whole pixels and clipped to the picture, as shares of it; None if nothing is left."""
    size = np.array(picture.image.shape[1::-1])
    low = np.clip(np.floor(box[:2] + 0.5), 0, size)
    high = np.clip(np.ceil(box[2:] + 0.5), 0, size)
    return np.concatenate([low / size, high / size]) if (high - low).min() >= 1 else None
