"""Which frame is shown when, and which latent belongs to it: voice and video need not be equally long.

Latents live 25 a second; frames live at their own times. Linear interpolation goes from one to the other.
"""

from dataclasses import dataclass

import numpy as np

from dd_tools.errors import UsageError
from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.formats.clip import Clip, Status

STOP, HOLD, BOUNCE = LOOPS = ("stop", "hold", "bounce")
SILENCE, SOURCE, CUT = TAILS = ("silence", "source", "cut")

FADE = 0.2  # seconds over which painting comes and goes beside frames that pass through untouched


@dataclass(frozen=True)
class Timeline:
    """The output frames. frames int (N,): the clip's frame behind each. pts float64 (N,): rising, seconds. share
    float32 (N,): how much of the painting shows, 0 where the frame passes through untouched. end: of the last frame, in
    seconds.
    """

    frames: np.ndarray
    pts: np.ndarray
    share: np.ndarray
    end: float

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, span: slice) -> "Timeline":
        """The output frames of `span`, at their times in the whole."""
        frames, pts = self.frames[span], self.pts[span]
        stop = span.indices(len(self))[1]
        end = float(self.pts[stop]) if stop < len(self) else self.end
        return Timeline(frames, pts, self.share[span], end)


def timeline(clip: Clip, count: int, *, loop: str = STOP, tail: str = SILENCE) -> Timeline:
    """The output for `count` latents of a voice: as long as the video, or for a still picture as the voice.

    loop: what the picture does while a longer voice goes on: ``stop`` ends with the video, ``hold`` repeats its last
    frame, ``bounce`` plays it backwards and forwards. tail: what happens after a shorter voice: ``silence`` holds the
    last latent (of a voice that ends in silence, a closed mouth), ``source`` leaves the frames as they are, ``cut``
    ends with the voice. Raises `UsageError` for any other word.
    """
    for name, value, known in (("loop", loop, LOOPS), ("tail", tail, TAILS)):
        if value not in known:
            raise UsageError(f"unknown {name} '{value}', expected one of {', '.join(known)}")
    voice = count / LATENT_RATE
    if clip.source.is_still:
        frames, pts, spacing = np.zeros(count, int), np.arange(count) / LATENT_RATE, 1 / LATENT_RATE
    else:
        frames, pts, spacing = np.arange(clip.length), clip.pts, 1 / (clip.source.frame_rate or LATENT_RATE)
        if loop != STOP:
            frames, pts = _prolonged(frames, pts, spacing, voice, loop)
        if tail == CUT:
            kept = max(1, int(np.searchsorted(pts, voice)))
            frames, pts = frames[:kept], pts[:kept]
    painted = clip.status[frames] == Status.OK
    if tail == SOURCE:
        painted &= pts < voice
    return Timeline(frames, pts, faded(painted, pts), float(pts[-1]) + spacing)


def _prolonged(
    frames: np.ndarray, pts: np.ndarray, spacing: float, until: float, loop: str
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and times with more at an even `spacing` after them, to the time `until`."""
    more = max(0, int(np.ceil((until - pts[-1]) / spacing - 1e-6)) - 1)
    back_and_forth = [*frames[-2::-1], *frames[1:]] if loop == BOUNCE else []
    added = np.resize(back_and_forth or frames[-1:], more)
    return np.concatenate([frames, added]).astype(int), np.concatenate(
        [pts, pts[-1] + spacing * np.arange(1, more + 1)]
    )


def faded(painted: np.ndarray, pts: np.ndarray) -> np.ndarray:
    """float32 (N,): 0 where `painted` (N,) is false, from there rising to 1 over `FADE` seconds of pts (N,)."""
    untouched = pts[~painted]
    if not len(untouched):
        return np.ones(len(pts), np.float32)
    after = np.searchsorted(untouched, pts).clip(0, len(untouched) - 1)
    distance = np.minimum(np.abs(untouched[after] - pts), np.abs(pts - untouched[np.maximum(after - 1, 0)]))
    return np.minimum(distance / FADE, 1).astype(np.float32)


def latents_at(latents: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Latents (T, Z), the k-th at k / 25 s, at `times` (N,) in seconds: (N, Z). The first and last hold beyond the
    ends.
    """
    return _interpolate(times * LATENT_RATE, np.arange(len(latents)), latents)


def latents_on_grid(latents: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The inverse: from (N, Z) seen at rising `times` (N,), resampled to k / 25 s from 0 to the last time: (T, Z)."""
    count = round(float(times[-1]) * LATENT_RATE) + 1
    return _interpolate(np.arange(count) / LATENT_RATE, times, latents)


def _interpolate(at: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    position = np.interp(at, knots, np.arange(len(knots)))
    left = np.floor(position).astype(int)
    right = np.minimum(left + 1, len(knots) - 1)
    share = (position - left)[:, None].astype(values.dtype)
    return values[left] * (1 - share) + values[right] * share
