"""What a measure is: labels, something that takes frames one by one, and a number for each label at the end."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dd_tools.evaluation.frames import FramePair


class Better(str, Enum):
    """Where the good values of a measure lie, as an arrow."""

    HIGHER = "↑"
    LOWER = "↓"
    NEAR_ONE = "→1"
    NEAR_ZERO = "→0"

    def badness(self, value: float) -> float:
        """How far a value is from good; the best of several has the least."""
        targets = {Better.NEAR_ONE: 1.0, Better.NEAR_ZERO: 0.0}
        if self in targets:
            return abs(value - targets[self])
        return value if self is Better.LOWER else -value


@dataclass(frozen=True)
class Label:
    """A measure's name in files (`key`) and tables (`title`), its unit ("" for none), direction and printed decimals.

    settings: everything of the measure itself that could change its number, for the signature.
    """

    key: str
    title: str
    unit: str
    better: Better
    decimals: int
    settings: str

    @property
    def heading(self) -> str:
        """Such as ``PSNR ↑ dB``."""
        return " ".join(filter(None, (self.title, self.better.value, self.unit)))

    def text(self, value: float | None) -> str:
        """A value as tables show it; "–" where there is none."""
        return "–" if value is None or math.isnan(value) else f"{value:.{self.decimals}f}"


class Observer(Protocol):
    """Something that is shown every frame of a clip, in order."""

    def add(self, frame: FramePair) -> None:
        """Take the next frame."""


class Measure(Observer, Protocol):
    """One or more numbers of one clip, one for each of `labels`.

    fault: after `results`, a line about what in the clip kept a number from being measured, if that is worth saying.
    """

    labels: tuple[Label, ...]
    fault: str | None = None

    def results(self) -> tuple[float, ...]:
        """The clip's values after its last frame; NaN where nothing could be measured."""


class Missing(Measure):
    """Stands for measures that this run cannot take, so that tables keep their columns."""

    def __init__(self, *labels: Label):
        self.labels = labels

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        return (math.nan,) * len(self.labels)


class FrameMean(Measure):
    """The measure that is the mean over frames of `of_frame`, which says None where a frame cannot be measured.

    Infinite values (PSNR of identical pictures) would swallow all others: the mean is that of the finite ones, and
    infinite only where there are no others.
    """

    def __init__(self, label: Label, of_frame: Callable[[FramePair], float | None]):
        self.labels = (label,)
        self._of_frame = of_frame
        self._sum, self._count, self._infinite = 0.0, 0, False

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        value = self._of_frame(frame)
        if value is None:
            return
        if math.isinf(value):
            self._infinite = True
        else:
            self._sum += value
            self._count += 1

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if self._count:
            return (self._sum / self._count,)
        return (math.inf if self._infinite else math.nan,)
