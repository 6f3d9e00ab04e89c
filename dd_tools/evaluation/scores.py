"""The scores of clips and of systems: means over clips with bootstrap confidence intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dd_tools.evaluation.measures.interface import Label

LEVEL, RESAMPLES, SEED = 0.95, 1000, 0
BOOTSTRAP = f"bootstrap-percentile-{LEVEL:.0%},{RESAMPLES}-resamples-of-clips,seed-{SEED}"


@dataclass(frozen=True, eq=False)
class ClipScores:
    """The scores of one generated video: `values` by measure key, NaN if nothing could be measured.

    generated: the file; None for a baseline. frames: number of compared frames. missed_truth, missed_generated: number
    of frames in which no face was found; measures that need the face skip them. identical_frames: number of frames
    whose compared region is identical to the truth's. faults: one line for each reason why a measure has no value.
    registered: whether the video was registered to its truth. rejected: one line for each condition that says it is not
    good enough, see `dd_tools.evaluation.conditions`.
    """

    system: str
    clip: str
    generated: str | None
    truth: str
    frames: int
    missed_truth: int
    missed_generated: int
    identical_frames: int
    values: dict[str, float]
    faults: tuple[str, ...] = ()
    registered: bool = False
    rejected: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For example ``ours/clip``, or ``ours/clip (registered)``."""
        return f"{self.system}/{self.clip}" + (" (registered)" if self.registered else "")


@dataclass(frozen=True)
class Score:
    """The mean of one measure over a system's clips, with its 95 % confidence interval.

    low, high: the interval; None for fewer than two clips or infinite values. clips: number of clips with a value.
    """

    label: Label
    value: float
    low: float | None
    high: float | None
    clips: int

    def __str__(self) -> str:
        return f"{self.label.heading} = {self.label.text(self.value)} {self.interval}".rstrip()

    @property
    def interval(self) -> str:
        """For example ``[27.51, 28.90]``; empty if there is none."""
        return "" if self.low is None else f"[{self.label.text(self.low)}, {self.label.text(self.high)}]"


@dataclass(frozen=True)
class SystemScores:
    """A system's clips, and its scores by measure key."""

    system: str
    clips: list[ClipScores]
    scores: dict[str, Score]


def summarise(
    clips: Sequence[ClipScores], labels: Sequence[Label], pooled: Mapping[Label, Mapping[str, float]] | None = None
) -> list[SystemScores]:
    """Group clips by system, in order of appearance.

    pooled: values by label and system of measures that are computed over all frames of a system, not as a mean of
    clips.
    """
    systems: dict[str, list[ClipScores]] = {}
    for clip in clips:
        systems.setdefault(clip.system, []).append(clip)
    return [
        SystemScores(name, own, {label.key: _score(label, name, own, pooled or {}) for label in labels})
        for name, own in systems.items()
    ]


def _score(label: Label, system: str, clips: list[ClipScores], pooled: Mapping[Label, Mapping[str, float]]) -> Score:
    if label in pooled:
        return Score(label, pooled[label].get(system, math.nan), None, None, len(clips))
    return mean_score(label, [clip.values[label.key] for clip in clips])


def mean_score(label: Label, values: Sequence[float]) -> Score:
    """The mean of the values that are not NaN; with an interval if there are two or more and all are finite."""
    known = np.array([value for value in values if not math.isnan(value)])
    mean = float(known.mean()) if len(known) else math.nan
    low, high = bootstrap_interval(known) if len(known) > 1 and np.isfinite(known).all() else (None, None)
    return Score(label, mean, low, high, len(known))


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean of values (N,), from `RESAMPLES` resamples (Efron 1979)."""
    draws = np.random.default_rng(SEED).choice(values, (RESAMPLES, len(values))).mean(1)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
