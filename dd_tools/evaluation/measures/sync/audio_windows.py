"""SyncNet's audio input: windows of MFCC, one for each video frame."""

from collections.abc import Iterator

import numpy as np

from dd_tools.evaluation.measures.sync import mfcc
from dd_tools.media.audio import SAMPLE_RATE

RATE = 25  # frames per second
WINDOW_FRAMES, WINDOW_ROWS = 5, 20  # length of a window in video frames and in rows of MFCC
MIN_FRAMES = WINDOW_FRAMES + 1  # from a window's start; the published code drops a clip's last window
FRAME_SAMPLES = SAMPLE_RATE // RATE
FRAME_ROWS = FRAME_SAMPLES // mfcc.STEP


class AudioWindows:
    """Computes MFCC windows from blocks of audio, float (N,) in [−1, 1] at 16 kHz, without keeping the audio.

    has_samples: whether any audio has been read.
    """

    def __init__(self, audio: Iterator[np.ndarray]):
        self._audio = audio
        self._samples = np.zeros(1)  # on the scale of 16-bit integers, from the sample before the next window
        self.has_samples = False

    def windows(self, count: int) -> np.ndarray:
        """The next windows, float64 (B,20,13), one per frame: `count`, or fewer at the end of the audio."""
        self._read(1 + (count - 1 + MIN_FRAMES) * FRAME_SAMPLES)
        count = min(count, (len(self._samples) - 1) // FRAME_SAMPLES - MIN_FRAMES + 1)
        if count < 1:
            return np.empty((0, WINDOW_ROWS, mfcc.COEFFICIENTS))
        end = 1 + (count - 1) * FRAME_SAMPLES + (WINDOW_ROWS - 1) * mfcc.STEP + mfcc.WINDOW
        rows = mfcc.mfcc(self._samples[:end])
        self._samples = self._samples[count * FRAME_SAMPLES :]
        return np.lib.stride_tricks.sliding_window_view(rows, WINDOW_ROWS, axis=0)[::FRAME_ROWS].swapaxes(1, 2)

    def _read(self, count: int) -> None:
        """Read blocks until there are `count` samples."""
        while len(self._samples) < count and (block := next(self._audio, None)) is not None:
            self._samples = np.concatenate([self._samples, np.clip(np.rint(block * 2.0**15), -(2**15), 2**15 - 1)])
            self.has_samples = True
