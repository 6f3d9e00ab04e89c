"""LSE-D, LSE-C and audio offset: how well the lips match the audio according to SyncNet (Chung and Zisserman 2016).

Windows of five frames at 25 fps are compared with 0.2 s of audio that start up to 15 frames earlier or later. LSE-D and
LSE-C are taken at the best offset, so a constant delay does not change them; therefore the offset is reported as well.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Better, Label, Measure
from dd_tools.evaluation.measures.sync.audio_windows import MIN_FRAMES, RATE, WINDOW_FRAMES, AudioWindows
from dd_tools.evaluation.measures.sync.crops import CROPS, Crop
from dd_tools.evaluation.measures.sync.shifts import MAX_SHIFT, ShiftDistances
from dd_tools.media.audio import has_audio, read_audio_blocks
from dd_tools.reporting import SILENT

if TYPE_CHECKING:
    from dd_tools.evaluation.measures.sync.syncnet import SyncExpert

BATCH = 20  # windows

LABELS = (
    Label("lse_d", "LSE-D", "", Better.LOWER, 3, "none"),
    Label("lse_c", "LSE-C", "", Better.HIGHER, 3, "none"),
    Label("sync_offset", "offset", "frames", Better.NEAR_ZERO, 1, "none"),
)


def sync_labels(expert: "SyncExpert", crop: str) -> tuple[Label, ...]:
    """`LABELS` for values measured with `expert` on `crop`, one of `CROPS`."""
    weights = f"syncnet-{expert.sha256[:8]}-{'public' if expert.is_public else 'unknown'}"
    settings = f"{weights},{CROPS[crop].settings},{RATE}fps,shifts-{MAX_SHIFT}"
    first, *others = LABELS
    return replace(first, settings=settings), *(replace(label, settings="as-lse_d") for label in others)


def audio_of(path: Path | None, say: Callable[[str], None] = SILENT.say) -> Iterator[np.ndarray]:
    """The audio of a file in blocks, float32 (N,) at 16 kHz; empty for None or a file without an audio track.

    say: called with one line if part of it cannot be decoded.
    """
    return read_audio_blocks(path, on_damage=say) if path and has_audio(path) else iter(())


class LipSync(Measure):
    """LSE-D, LSE-C and offset of the generated frames and an audio track.

    LSE-D: the mean distance of lip and audio embeddings at the best offset. LSE-C: the median over all offsets minus
    LSE-D. offset: in frames at 25 fps, −15 … 15; negative if the audio is late. crop: one of `CROPS`. audio: blocks of
    samples as from `audio_of`. NaN if fewer than `MIN_FRAMES` frames have audio.
    """

    def __init__(self, expert: "SyncExpert", crop: str, audio: Iterator[np.ndarray]):
        self.labels = sync_labels(expert, crop)
        self._expert = expert
        self._crop: Crop = CROPS[crop]()
        self._audio = AudioWindows(audio)
        self._distances = ShiftDistances()
        self._faces: list[np.ndarray] = []  # at 25 fps; those of finished windows are dropped
        self._last, self._tick = None, 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        for pts, face in self._crop.add(frame.generated.original or frame.generated):
            self._take(face, round(pts * RATE))
        if len(self._faces) >= BATCH + MIN_FRAMES:
            self._measure()

    def _take(self, face: np.ndarray, tick: int) -> None:
        """Resample to 25 fps: a face is repeated until the tick of the next one; the first also fills the start."""
        if self._last is not None:
            self._faces += [self._last] * (tick - self._tick)
            self._tick = tick
        self._last = face

    def _measure(self) -> None:
        """Embed all windows that are complete."""
        windows = self._audio.windows(len(self._faces) - MIN_FRAMES + 1)
        if len(windows):
            faces = np.stack(self._faces[: len(windows) + WINDOW_FRAMES - 1])
            self._distances.add(self._expert.lips(faces), self._expert.audio(windows))
        self._faces = self._faces[-MIN_FRAMES + 1 :]

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        for pts, face in self._crop.flush():
            self._take(face, round(pts * RATE))
        if self._last is not None:
            self._faces.append(self._last)
        self._measure()
        distances = self._distances.mean()
        if distances is None:
            if self._audio.has_samples:
                self.fault = f"too short for LSE: fewer than {MIN_FRAMES} frames ({MIN_FRAMES / RATE:.2f} s) with audio"
            return (math.nan,) * len(self.labels)
        best = int(distances.argmin())
        lowest = float(distances[best])
        return lowest, float(np.median(distances)) - lowest, float(MAX_SHIFT - best)
