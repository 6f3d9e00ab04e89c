"""The timeline of the output: which frame is shown when, and which latent it gets.

Audio and video may differ in length. Latents come at 25 per second, frames have their own times, and latents are
interpolated linearly between the two. This keeps 23.976, 29.97, 60 and variable frame rates in sync. Frames without a
usable face pass through unchanged; beside them painting fades in and out, but not across a cut.
"""

from dataclasses import dataclass

import numpy as np

from dd_tools.errors import UsageError
from dd_tools.face.tracking.shots import shot_slices, shots_in_order
from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.formats.clip import Clip, Status

STOP, HOLD, BOUNCE = LOOPS = ("stop", "hold", "bounce")
SILENCE, SOURCE, CUT = TAILS = ("silence", "source", "cut")

FADE = 0.2  # seconds over which painting fades in and out beside frames of the same shot that pass through unchanged


@dataclass(frozen=True)
class Timeline:
    """The output frames.

    frames int (N,): index of the clip's frame behind each.
    pts float64 (N,): times in seconds, rising.
    opacity float32 (N,): of the painting, 0 to 1; 0 if the frame passes through unchanged.
    end: time at which the last frame ends, in seconds.
    """

    frames: np.ndarray
    pts: np.ndarray
    opacity: np.ndarray
    end: float

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, span: slice) -> "Timeline":
        """The output frames of `span`, at their times in the whole output."""
        frames, pts = self.frames[span], self.pts[span]
        stop = span.indices(len(self))[1]
        end = float(self.pts[stop]) if stop < len(self) else self.end
        return Timeline(frames, pts, self.opacity[span], end)


def check_timing(loop: str, tail: str) -> None:
    """Raise `UsageError` for values that `timeline` does not know."""
    for name, value, known in (("loop", loop, LOOPS), ("tail", tail, TAILS)):
        if value not in known:
            raise UsageError(f"unknown {name} '{value}', expected one of {', '.join(known)}")


def video_end(clip: Clip) -> float:
    """Time in seconds at which the last frame of a clip ends."""
    spacing = 1 / (clip.source.frame_rate or LATENT_RATE)
    return max(float(clip.pts[-1]) + spacing, clip.source.end or 0.0)


def timeline(clip: Clip, count: int, *, loop: str = STOP, tail: str = SILENCE) -> Timeline:
    """The output frames for `count` latents. A still image lasts as long as the audio, a video as long as itself.

    A last frame that stands is repeated until it ends, so that the mouth can move in it.

    loop: if the audio is longer, ``stop`` ends with the video, ``hold`` repeats its last frame, and ``bounce`` plays it
    backwards and forwards until the audio ends. tail: if the audio is shorter, ``silence`` holds the last latent (a
    closed mouth, if the audio ends in silence), ``source`` leaves the remaining frames unchanged, and ``cut`` ends with
    the audio. Raises `UsageError` for other values.
    """
    check_timing(loop, tail)
    audio_end = count / LATENT_RATE
    if clip.source.is_still:
        frames, pts, spacing = np.zeros(count, int), np.arange(count) / LATENT_RATE, 1 / LATENT_RATE
    else:
        frames, pts, spacing = np.arange(clip.length), clip.pts, 1 / (clip.source.frame_rate or LATENT_RATE)
        frames, pts = _extend(frames, pts, spacing, video_end(clip), HOLD)
        if loop != STOP:
            frames, pts = _extend(frames, pts, spacing, audio_end, loop)
        if tail == CUT:
            kept = max(1, int(np.searchsorted(pts, audio_end)))
            frames, pts = frames[:kept], pts[:kept]
    painted = clip.status[frames] == Status.OK
    if tail == SOURCE:
        painted &= pts < audio_end
    opacity = fade_opacity(painted, pts, shots_in_order(frames, clip.shot))
    return Timeline(frames, pts, opacity, float(pts[-1]) + spacing)


def _extend(
    frames: np.ndarray, pts: np.ndarray, spacing: float, until: float, loop: str
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and their times, extended to the time `until` at an even `spacing` in seconds."""
    more = max(0, int(np.ceil((until - pts[-1]) / spacing - 1e-6)) - 1)
    back_and_forth = [*frames[-2::-1], *frames[1:]] if loop == BOUNCE else []
    added = np.resize(back_and_forth or frames[-1:], more)
    return np.concatenate([frames, added]).astype(int), np.concatenate(
        [pts, pts[-1] + spacing * np.arange(1, more + 1)]
    )


def fade_opacity(painted: np.ndarray, pts: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Opacity float32 (N,): 0 where `painted` (N,) is False, rising from there to 1 over `FADE` seconds of `pts` (N,).

    shots: (N,) rising numbers of the shots. Beyond a cut there is nothing to fade to: a fade would show two mouths.
    """
    opacity = np.ones(len(pts), np.float32)
    for here in shot_slices(shots):
        times, unpainted = pts[here], pts[here][~painted[here]]
        if not len(unpainted):
            continue
        after = np.searchsorted(unpainted, times)
        neighbours = (unpainted.take(place, mode="clip") for place in (after - 1, after))
        distance = np.minimum(*(np.abs(times - neighbour) for neighbour in neighbours))
        opacity[here] = np.minimum(distance / FADE, 1)
    return opacity


def latents_at(latents: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Latents (N, Z) at `times` (N,) in seconds, interpolated from latents (T, Z) at 0, 1/25, 2/25 s and so on.

    Beyond the ends, the first and the last latent are held.
    """
    left, right, weight = interpolation(times * LATENT_RATE, np.arange(len(latents)))
    weight = weight[:, None].astype(latents.dtype)
    return latents[left] * (1 - weight) + latents[right] * weight


def interpolation(at: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Linear interpolation at positions `at` (N,) between rising `knots` (K,).

    Returns the indices (N,) of the knots to the left and to the right, and the weight (N,) of the right one, 0 to below
    1. Positions beyond the ends are moved to the nearest knot.
    """
    position = np.interp(at, knots, np.arange(len(knots)))
    left = np.floor(position).astype(int)
    return left, np.minimum(left + 1, len(knots) - 1), position - left
