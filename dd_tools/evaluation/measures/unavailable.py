"""A stand-in for measures whose network is not available."""

import math

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Label, Measure


class Unavailable(Measure):
    """Has the labels of the measures it replaces, so that tables keep their columns, and NaN for every value."""

    def __init__(self, *labels: Label):
        self.labels = labels

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        return (math.nan,) * len(self.labels)
