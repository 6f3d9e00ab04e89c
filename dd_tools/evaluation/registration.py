"""Faces framed differently lined up with the truth's: another crop or zoom of the same performance made comparable.

Resampling blurs and landmarks tremble, which costs a video that needs no registration several dB of PSNR; therefore
only videos whose framing differs in the first second are touched, and their scores say so.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np

from dd_tools.evaluation.frames import FramePair, Picture
from dd_tools.evaluation.framing import ENOUGH, Framing
from dd_tools.evaluation.streams import Centred
from dd_tools.face.affine import inverted, resample, transform

STEADY = slice(17, 48)  # brows, nose and eyes: landmarks that speech moves little
SMOOTHING = 2  # frames to either side over which the map is averaged, against trembling
SETTINGS = (
    f"similarity,landmarks-{STEADY.start}-{STEADY.stop - 1},mean-of-{2 * SMOOTHING + 1}-frames,where-framed-unlike"
)

Pictures = tuple[Picture, Picture]  # truth, generated


def register_if_needed(pairs: Iterable[Pictures]) -> tuple[Iterator[Pictures], bool]:
    """The same pairs, generated pictures moved to the truth's framing if the first `ENOUGH` are framed unlike it.

    Also tells whether they are. Holds those first pictures in memory until they have gone through.
    """
    pairs = iter(pairs)
    first = list(islice(pairs, ENOUGH))
    framing = Framing()
    for pair in first:
        framing.add(FramePair(*pair))
    everything = chain(first, pairs)
    return (registered(everything), True) if framing.difference() else (everything, False)


def registered(pairs: Iterable[Pictures]) -> Iterator[Pictures]:
    """Generated pictures resampled to the truth's size and framing, frame by frame; their rims go on where they end.

    Each frame's map is the mean of the least-squares similarities of the frames around it, the last one's where those
    have no face. Before the first face pictures are left as they are.
    """
    window: Centred[tuple[Pictures, np.ndarray | None]] = Centred(SMOOTHING)
    to_truth = None
    for pair, around in _centred(pairs, window):
        known = [similarity for _, similarity in around if similarity is not None]
        to_truth = np.mean(known, axis=0) if known else to_truth
        yield pair if to_truth is None else (pair[0], _moved(pair[1], to_truth, pair[0].image.shape[1::-1]))


def _centred(pairs: Iterable[Pictures], window: Centred) -> Iterator[tuple[Pictures, list]]:
    for truth, generated in pairs:
        has_faces = truth.landmarks is not None and generated.landmarks is not None
        similarity = fit_similarity(generated.landmarks[STEADY], truth.landmarks[STEADY]) if has_faces else None
        for (pair, _), around in window.add(((truth, generated), similarity)):
            yield pair, around
    for (pair, _), around in window.rest():
        yield pair, around


def fit_similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The least-squares similarity (2,3) that takes points (N,2) to targets (N,2); as complex numbers z ↦ a·z + b."""
    points, targets = points @ (1, 1j), targets @ (1, 1j)
    centred = points - points.mean()
    a = np.vdot(centred, targets) / np.vdot(centred, centred)
    b = targets.mean() - a * points.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _moved(picture: Picture, to_truth: np.ndarray, size: tuple[int, int]) -> Picture:
    landmarks = None if picture.landmarks is None else np.float32(transform(picture.landmarks, to_truth))
    return Picture(resample(picture.image, inverted(to_truth), size), landmarks, picture.pts, original=picture)
