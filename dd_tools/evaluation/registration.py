"""Registration: warps a generated video whose framing differs onto its truth, so that both can be compared.

Warping blurs the frames, and the landmarks it is computed from are noisy. This costs a video that needs no registration
several dB of PSNR. Therefore only videos whose first frames are framed differently are registered, and their scores are
marked.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np
from skimage.transform import estimate_transform

from dd_tools.evaluation.centred_window import CentredWindow
from dd_tools.evaluation.frames import FaceFrame, FramePair
from dd_tools.evaluation.framing import ENOUGH_FACES, FramingCheck
from dd_tools.face.affine import invert, resample, transform

STABLE = slice(17, 48)  # landmarks of brows, nose and eyes, which speech hardly moves
SMOOTHING = 2  # frames on either side over which the transform is averaged
SETTINGS = (
    f"similarity,landmarks-{STABLE.start}-{STABLE.stop - 1},mean-of-{2 * SMOOTHING + 1}-frames,if-framing-differs"
)

Frames = tuple[FaceFrame, FaceFrame]  # truth, generated


def register_if_needed(pairs: Iterable[Frames]) -> tuple[Iterator[Frames], bool]:
    """The pairs, registered if the framing of the first `ENOUGH_FACES` frames differs, and whether it does.

    These first frames stay in memory until they have been consumed.
    """
    pairs = iter(pairs)
    first = list(islice(pairs, ENOUGH_FACES))
    framing = FramingCheck()
    for pair in first:
        framing.add(FramePair(*pair))
    everything = chain(first, pairs)
    return (registered(everything), True) if framing.difference() else (everything, False)


def registered(pairs: Iterable[Frames]) -> Iterator[Frames]:
    """Warp the generated frames to the truth's size and framing; pixels beyond their edges repeat the edge.

    A frame's transform is the mean of the similarity transforms of the frames around it, or the previous one if those
    have no faces. Frames before the first face are left unchanged.
    """
    to_truth = None
    for pair, window in _with_neighbours(pairs):
        known = [similarity for _, similarity in window if similarity is not None]
        to_truth = np.mean(known, axis=0) if known else to_truth
        yield pair if to_truth is None else (pair[0], _warped(pair[1], to_truth, pair[0].pixels.shape[1::-1]))


def _with_neighbours(pairs: Iterable[Frames]) -> Iterator[tuple[Frames, list]]:
    window: CentredWindow[tuple[Frames, np.ndarray | None]] = CentredWindow(SMOOTHING)
    for truth, generated in pairs:
        has_faces = truth.landmarks is not None and generated.landmarks is not None
        similarity = fit_similarity(generated.landmarks[STABLE], truth.landmarks[STABLE]) if has_faces else None
        for (pair, _), neighbours in window.add(((truth, generated), similarity)):
            yield pair, neighbours
    for (pair, _), neighbours in window.flush():
        yield pair, neighbours


def fit_similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The least-squares similarity transform, float64 (2,3), from points (N,2) to targets (N,2) (Umeyama 1991)."""
    return estimate_transform("similarity", np.float64(points), np.float64(targets)).params[:2]


def _warped(frame: FaceFrame, to_truth: np.ndarray, size: tuple[int, int]) -> FaceFrame:
    landmarks = None if frame.landmarks is None else np.float32(transform(frame.landmarks, to_truth))
    return FaceFrame(resample(frame.pixels, invert(to_truth), size), landmarks, frame.pts, original=frame)
