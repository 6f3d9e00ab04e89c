"""A measure that is the mean of a function of single frames."""

import math
from collections.abc import Callable

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Label, Measure


class FrameMean(Measure):
    """The mean over frames of `value_of`, which returns None for a frame that cannot be measured.

    Infinite values (PSNR of identical frames) are left out. The mean is infinite only if all values are.
    """

    def __init__(self, label: Label, value_of: Callable[[FramePair], float | None]):
        self.labels = (label,)
        self._value_of = value_of
        self._sum, self._count, self._has_infinite = 0.0, 0, False

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        value = self._value_of(frame)
        if value is None:
            return
        if math.isinf(value):
            self._has_infinite = True
        else:
            self._sum += value
            self._count += 1

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if self._count:
            return (self._sum / self._count,)
        return (math.inf if self._has_infinite else math.nan,)
