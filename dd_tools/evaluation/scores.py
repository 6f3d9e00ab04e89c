"""Numbers of clips, and of systems: means over clips with bootstrap intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dd_tools.evaluation.measure import Label

LEVEL, RESAMPLES, SEED = 0.95, 1000, 0
BOOTSTRAP = f"bootstrap-percentile-{LEVEL:.0%},{RESAMPLES}-resamples-of-clips,seed-{SEED}"


@dataclass(frozen=True, eq=False)
class ClipScores:
    """One generated video's numbers: `values` by measure key, NaN where nothing could be measured.

    frames: how many were compared. missed_truth, missed_generated: in how many of them no face was found; the measures
    that need it leave those frames out. identical_frames: in how many the compared region is exactly the truth's.
    generated is None for a baseline, which is no file. faults: what kept numbers from being measured, a line each.
    registered: whether its faces were lined up with the truth's first.
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

    @property
    def name(self) -> str:
        """Such as ``ours/clip``, with a word if it was registered."""
        return f"{self.system}/{self.clip}" + (" (registered)" if self.registered else "")


@dataclass(frozen=True)
class Score:
    """A measure's mean over the `clips` of a system that have a value, and its 95 % interval, if there is one."""

    label: Label
    value: float
    low: float | None
    high: float | None
    clips: int

    def __str__(self) -> str:
        return f"{self.label.heading} = {self.label.text(self.value)} {self.interval}".rstrip()

    @property
    def interval(self) -> str:
        """Such as ``[27.51, 28.90]``; empty where there is none."""
        return "" if self.low is None else f"[{self.label.text(self.low)}, {self.label.text(self.high)}]"


@dataclass(frozen=True)
class SystemScores:
    """A system's clips and their summary, by measure key."""

    system: str
    clips: list[ClipScores]
    scores: dict[str, Score]


def summarise(
    clips: Sequence[ClipScores], labels: Sequence[Label], pooled: Mapping[Label, Mapping[str, float]] | None = None
) -> list[SystemScores]:
    """Clips grouped by system, in order of appearance.

    pooled: for labels whose value belongs to a system's frames as a whole, that value by system.
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
    """The mean of the values that are not NaN; an interval where they are two or more and finite."""
    known = np.array([value for value in values if not math.isnan(value)])
    mean = float(known.mean()) if len(known) else math.nan
    low, high = bootstrap_interval(known) if len(known) > 1 and np.isfinite(known).all() else (None, None)
    return Score(label, mean, low, high, len(known))


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron 1979): the middle 95 % of the means of `RESAMPLES` draws."""
    draws = np.random.default_rng(SEED).choice(values, (RESAMPLES, len(values))).mean(1)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
