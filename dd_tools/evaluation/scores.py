"""Numbers of clips, and of systems: means over clips with bootstrap intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dd_tools.evaluation.measure import Label

LEVEL, RESAMPLES, SEED = 0.95, 1000, 0
BOOTSTRAP = f"bootstrap-percentile-{LEVEL:.0%},{RESAMPLES}-resamples-of-clips,seed-{SEED}"


@dataclass(frozen=True)
class ClipScores:
    """One generated video's numbers: `values` by measure key, NaN where nothing could be measured.

    frames: how many were compared. missed_truth, missed_generated: in how many of them no face was found; the measures
    that need it leave those frames out. identical_frames: in how many the compared region is exactly the truth's.
    generated is None for a baseline, which is no file.
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


def summarise(clips: Sequence[ClipScores], labels: Sequence[Label]) -> list[SystemScores]:
    """Clips grouped by system, in order of appearance."""
    systems = []
    for name in dict.fromkeys(clip.system for clip in clips):
        own = [clip for clip in clips if clip.system == name]
        systems.append(
            SystemScores(
                name, own, {label.key: mean_score(label, [c.values[label.key] for c in own]) for label in labels}
            )
        )
    return systems


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
