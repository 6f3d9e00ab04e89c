"""A long signal in overlapping windows, so that memory does not grow with its length.

Time, for every speech model: frame k describes the samples 320 k … 320 k + 319 (at 16 kHz) and is centred at
(k + ½) / 50 s. Two frames cover one picture at 25 a second, so N samples make 2 ⌈N / 640⌉ frames.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from dd_tools.formats.arrays import LATENT_RATE, SPEECH_RATE
from dd_tools.media.audio import SAMPLE_RATE

FRAME = SAMPLE_RATE // SPEECH_RATE  # samples: 320
PICTURE = SAMPLE_RATE // LATENT_RATE  # samples: 640

# 2.88 s: a whole number of pictures, and of the steps (`moonshine.STEP`) of the model that looks at time in steps.
CONTEXT = 46_080
CORE = 10 * CONTEXT


class Window(NamedTuple):
    """A stretch of a signal of which some frames are wanted; the rest is context.

    samples: float32 (n,), beginning at a frame's first sample. offset: first wanted frame, counted from the stretch's
    begin. frames: how many are wanted; the last one may reach past the samples.
    """

    samples: np.ndarray
    offset: int
    frames: int


def padded(samples: np.ndarray, window: Window, span: int) -> np.ndarray:
    """The `samples` of a window with silence around them, so that every wanted frame k sees `span` of them, from
    `FRAME` · k on, with its own in the middle.
    """
    margin = (span - FRAME) // 2
    missing = max(0, (window.offset + window.frames) * FRAME + margin - len(samples))
    return np.pad(samples, (margin, missing))


def frame_count(samples: int) -> int:
    """Speech frames of a signal: two for every picture at 25 a second that it touches."""
    return 2 * -(-samples // PICTURE)


def windows(blocks: Iterable[np.ndarray], core: int = CORE, context: int = CONTEXT) -> Iterator[Window]:
    """Cut a signal, given as consecutive `blocks` (n,), into windows whose wanted frames follow each other.

    Every window but the last wants `core` samples' frames and sees `context` samples on both sides (where the signal
    has them). A signal of up to core + 2 context samples is one window. Both must be multiples of `PICTURE`, core ≥
    context.
    """
    held, before = np.empty(0, np.float32), 0
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) - before > core + 2 * context:
            yield Window(held[: before + core + context], before // FRAME, core // FRAME)
            held, before = held[before + core - context :], context
    yield Window(held, before // FRAME, frame_count(len(held) - before))
