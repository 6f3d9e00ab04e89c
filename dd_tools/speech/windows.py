"""A long signal in overlapping windows, so that memory does not grow with its length.

Timing of all speech models: frame k describes samples 320 k … 320 k + 319 at 16 kHz and is centred at (k + ½) / 50 s.
Two frames span one latent at 25 per second, so N samples make 2 ⌈N / 640⌉ frames.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from dd_tools.formats.arrays import LATENT_RATE, SPEECH_RATE
from dd_tools.media.audio import SAMPLE_RATE

FRAME_SAMPLES = SAMPLE_RATE // SPEECH_RATE  # 320
LATENT_SAMPLES = SAMPLE_RATE // LATENT_RATE  # 640

# Whole seconds, so multiples of `LATENT_SAMPLES` and of the step of a model's moving window.
CONTEXT = 3 * SAMPLE_RATE
CORE = 30 * SAMPLE_RATE


class Window(NamedTuple):
    """A part of a signal; features are computed for some of its frames, the rest is context.

    samples: float32 (n,), beginning at the first sample of a frame.
    offset: the first of these frames, counted from the beginning of the window.
    frames: number of these frames; the last one may extend beyond the samples.
    """

    samples: np.ndarray
    offset: int
    frames: int


def pad_window(samples: np.ndarray, window: Window, span: int) -> np.ndarray:
    """Pad the `samples` (n,) of a window with zeros, so that `span` samples are centred on each of its frames.

    In the result, the samples of frame k begin at `FRAME_SAMPLES` · k.
    """
    margin = (span - FRAME_SAMPLES) // 2
    missing = max(0, (window.offset + window.frames) * FRAME_SAMPLES + margin - len(samples))
    return np.pad(samples, (margin, missing))


def frame_count(samples: int) -> int:
    """Number of feature frames of a signal of this many `samples`: two for every latent, also for an incomplete one."""
    return 2 * -(-samples // LATENT_SAMPLES)


def windows(blocks: Iterable[np.ndarray], core: int = CORE, context: int = CONTEXT) -> Iterator[Window]:
    """Cut a signal, given as consecutive `blocks` (n,), into windows whose frames follow each other without a gap.

    core: samples whose frames are computed in one window; the last window may have more or fewer. context: samples on
    either side of them, if the signal has so many. Both are multiples of `LATENT_SAMPLES`, and core ≥ context. A signal
    of up to core + 2 context samples is one window.
    """
    held, before = np.empty(0, np.float32), 0
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) - before > core + 2 * context:
            yield Window(held[: before + core + context], before // FRAME_SAMPLES, core // FRAME_SAMPLES)
            held, before = held[before + core - context :], context
    yield Window(held, before // FRAME_SAMPLES, frame_count(len(held) - before))
