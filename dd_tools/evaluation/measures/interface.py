"""The interface of measures: labels, a method that takes frames one by one, and one number for each label."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dd_tools.evaluation.frames import FramePair


class Better(str, Enum):
    """The direction of good values, as the arrow that tables print.

    A measure of the generated video alone that should be `NEAR_TRUTH` is followed by the truth's own value, which is
    neither good nor bad: a `REFERENCE`.
    """

    HIGHER = "↑"
    LOWER = "↓"
    NEAR_ONE = "→1"
    NEAR_ZERO = "→0"
    NEAR_TRUTH = "→truth"
    REFERENCE = ""

    def cost(self, value: float) -> float:
        """The cost of a value, by which values are ranked; the best value has the lowest.

        value: for `NEAR_TRUTH`, its difference from the truth's.
        """
        targets = {Better.NEAR_ONE: 1.0, Better.NEAR_ZERO: 0.0, Better.NEAR_TRUTH: 0.0}
        if self in targets:
            return abs(value - targets[self])
        if self is Better.REFERENCE:
            return 0.0
        return value if self is Better.LOWER else -value


@dataclass(frozen=True)
class Label:
    """How one number of a measure is named and printed.

    key: name in files. title: name in tables. unit: "" for none. better: direction of good values. decimals: digits
    printed after the point. settings: all settings of the measure that can change the number, for the signature.
    """

    key: str
    title: str
    unit: str
    better: Better
    decimals: int
    settings: str

    @property
    def heading(self) -> str:
        """Title, direction and unit, for example ``PSNR ↑ dB``."""
        return " ".join(filter(None, (self.title, self.better.value, self.unit)))

    def text(self, value: float | None) -> str:
        """A value as tables print it; "–" for None and NaN."""
        return "–" if value is None or math.isnan(value) else f"{value:.{self.decimals}f}"


class Observer(Protocol):
    """Receives every frame of a clip, in order."""

    def add(self, frame: FramePair) -> None:
        """Take the next frame."""


class Measure(Observer, Protocol):
    """Computes one number of a clip for each of its `labels`.

    fault: a one-line message, set by `results` if the clip could not be measured because of its content.
    """

    labels: tuple[Label, ...]
    fault: str | None = None

    def results(self) -> tuple[float, ...]:
        """The clip's values, called once after the last frame; NaN if nothing could be measured."""
