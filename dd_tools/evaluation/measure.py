"""What a measure is: a label, something that takes frames one by one, and a number at the end."""

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
    """A measure of one clip; `result` is NaN where nothing could be measured."""

    label: Label

    def result(self) -> float:
        """The clip's value after its last frame."""


class FrameMean:
    """The measure that is the mean over frames of `of_frame`, which says None where a frame cannot be measured.

    Infinite values (PSNR of identical pictures) would swallow all others: the mean is that of the finite ones, and
    infinite only where there are no others.
    """

    def __init__(self, label: Label, of_frame: Callable[[FramePair], float | None]):
        self.label = label
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

    def result(self) -> float:
        """See `Measure.result`."""
        if self._count:
            return self._sum / self._count
        return math.inf if self._infinite else math.nan
