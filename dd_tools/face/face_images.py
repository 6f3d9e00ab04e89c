"""The face images of a clip: the input of the semantic encoder."""

from collections.abc import Sequence

import numpy as np

from dd_tools.face.geometry import face_image
from dd_tools.formats.clip import Clip


def face_images(clip: Clip, frames: Sequence[int], eyes: bool = True) -> np.ndarray:
    """Face images uint8 (N, F, F, 3) of the usable frames with the indices `frames`.

    eyes: include the band around the eyes, the eye guidance of section 2.1 of the paper, which helps to locate nose and
    mouth.
    """
    if eyes:
        return np.stack([clip.face[frame] for frame in frames])
    return np.stack(
        [face_image(clip.frames[frame], clip.landmarks[frame], clip.face_size, eyes=False) for frame in frames]
    )
