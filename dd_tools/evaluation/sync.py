"""How well lips go with the voice: LSE-D, LSE-C and the offset at which they fit best (Chung and Zisserman 2016).

Windows of five frames, 25 a second, against 0.2 s of sound that begin at the same time or up to 15 frames before or
after it. A constant delay costs nothing in LSE-D and LSE-C, therefore the offset stands beside them.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dd_tools.evaluation import mfcc
from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measure import Better, Label, Measure
from dd_tools.evaluation.sync_crops import CROPS, Crop
from dd_tools.media.audio import SAMPLE_RATE, has_audio, read_audio_blocks

if TYPE_CHECKING:
    from dd_tools.evaluation.syncnet import SyncExpert

PUBLIC_URL = "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model"
RATE = 25  # frames a second
FRAMES, COEFFICIENTS = 5, 20  # a window's length, as frames and as rows of MFCC
REACH = 15  # frames of offset to either side
BATCH = 20  # windows
EPSILON = 1e-6  # added to differences, as torch's pairwise distance does
SAMPLES = SAMPLE_RATE // RATE  # of sound to a frame
NEEDED = FRAMES + 1  # frames from a window's start that must be there: the authors leave out the last window
ROWS = SAMPLES // mfcc.STEP  # of MFCC to a frame

LABELS = (
    Label("lse_d", "LSE-D", "", Better.LOWER, 3, "none"),
    Label("lse_c", "LSE-C", "", Better.HIGHER, 3, "none"),
    Label("sync_offset", "offset", "frames", Better.NEAR_ZERO, 1, "none"),
)


def sync_labels(expert: "SyncExpert", crop: str) -> tuple[Label, ...]:
    """`LABELS` of numbers that `expert` gave."""
    weights = f"syncnet-{expert.sha256[:8]}-{'public' if expert.is_public else 'unknown'}"
    settings = f"{weights},{CROPS[crop].settings},{RATE}fps,shifts-{REACH}"
    first, *others = LABELS
    return replace(first, settings=settings), *(replace(label, settings="as-lse_d") for label in others)


class LipSync(Measure):
    """LSE-D, LSE-C and offset of the generated video with the `sound`, blocks of samples as `sound_of` gives them."""

    def __init__(self, expert: "SyncExpert", crop: str, sound: Iterator[np.ndarray]):
        self.labels = sync_labels(expert, crop)
        self._expert = expert
        self._crop: Crop = CROPS[crop]()
        self._voice = Voice(sound)
        self._shifts = Shifts()
        self._faces: list[np.ndarray] = []  # at 25 a second, those before them measured
        self._last, self._tick = None, 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        picture = frame.generated.original or frame.generated
        for pts, face in self._crop.add(picture):
            self._show(face, round(pts * RATE))
        if len(self._faces) >= BATCH + NEEDED:
            self._measure()

    def _show(self, face: np.ndarray, tick: int) -> None:
        """A face lasts until the one whose time comes nearest to a later tick; the first is there from the start."""
        if self._last is not None:
            self._faces += [self._last] * (tick - self._tick)
            self._tick = tick
        self._last = face

    def _measure(self) -> None:
        """Take all windows of the faces so far of which all is there."""
        windows = self._voice.windows(len(self._faces) - NEEDED + 1)
        if len(windows):
            faces = np.stack(self._faces[: len(windows) + FRAMES - 1])
            self._shifts.add(self._expert.lips(faces), self._expert.voice(windows))
        self._faces = self._faces[-NEEDED + 1 :]

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        for pts, face in self._crop.rest():
            self._show(face, round(pts * RATE))
        if self._last is not None:
            self._faces.append(self._last)
        self._measure()
        distances = self._shifts.mean()
        if distances is None:
            if self._voice.heard:
                self.fault = f"fewer than {NEEDED} frames ({NEEDED / RATE:.2f} s) with sound: too short for LSE"
            return (float("nan"),) * len(self.labels)
        best = int(distances.argmin())
        lowest = float(distances[best])
        return lowest, float(np.median(distances)) - lowest, float(REACH - best)


def sound_of(path: Path | None) -> Iterator[np.ndarray]:
    """The blocks of a file's sound; none where there is no file or no track."""
    return read_audio_blocks(path) if path and has_audio(path) else iter(())


class Voice:
    """MFCC of a sound, window by window; `heard` tells whether there was any."""

    def __init__(self, sound: Iterator[np.ndarray]):
        self._sound = sound
        self._samples = np.zeros(1)  # from the one before the next window on, as 16-bit integers' values
        self.heard = False

    def windows(self, count: int) -> np.ndarray:
        """The next windows (B,20,13), one a frame: `count` of them, or as many as there are."""
        whole = 1 + (count - 1 + NEEDED) * SAMPLES
        while len(self._samples) < whole and (block := next(self._sound, None)) is not None:
            self._samples = np.concatenate([self._samples, np.clip(np.rint(block * 2.0**15), -(2**15), 2**15 - 1)])
            self.heard = True
        count = min(count, (len(self._samples) - 1) // SAMPLES - NEEDED + 1)
        if count < 1:
            return np.empty((0, COEFFICIENTS, mfcc.COEFFICIENTS))
        end = 1 + (count - 1) * SAMPLES + (COEFFICIENTS - 1) * mfcc.STEP + mfcc.WINDOW
        rows = mfcc.mfcc(self._samples[:end])
        self._samples = self._samples[count * SAMPLES :]
        return np.lib.stride_tricks.sliding_window_view(rows, COEFFICIENTS, axis=0)[::ROWS].swapaxes(1, 2)


class Shifts:
    """The distances between lips and voice at every shift of the voice, −15 … 15 windows, summed over a clip."""

    def __init__(self) -> None:
        self._sums, self._count = np.zeros(2 * REACH + 1), 0
        self._lips: np.ndarray | None = None  # embeddings of windows that are still to be compared
        self._voice: np.ndarray | None = None  # from 15 before the first of those on; zeros beyond both ends

    def add(self, lips: np.ndarray, voice: np.ndarray) -> None:
        """Take the embeddings (B,D) of the next windows."""
        if self._lips is None:
            self._lips, self._voice = lips[:0], _silence(voice)
        self._lips = np.concatenate([self._lips, lips])
        self._voice = np.concatenate([self._voice, voice])
        self._measure(len(self._voice) - 2 * REACH)

    def mean(self) -> np.ndarray | None:
        """Mean distances (31,) after the last window, None if there was none."""
        if self._lips is None:
            return None
        self._voice = np.concatenate([self._voice, _silence(self._voice)])
        self._measure(len(self._lips))
        return self._sums / self._count

    def _measure(self, count: int) -> None:
        """Compare the next `count` windows' lips with the voice around them, and forget those."""
        if count < 1:
            return
        around = np.lib.stride_tricks.sliding_window_view(self._voice, 2 * REACH + 1, axis=0)[:count]
        differences = self._lips[:count, :, None] - around + EPSILON
        self._sums += np.linalg.norm(differences, axis=1).sum(0)
        self._count += count
        self._lips, self._voice = self._lips[count:], self._voice[count:]


def _silence(voice: np.ndarray) -> np.ndarray:
    return np.zeros((REACH, voice.shape[1]), voice.dtype)
