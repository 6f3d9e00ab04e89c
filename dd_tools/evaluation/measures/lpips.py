"""LPIPS of the compared region (Zhang et al. 2018), in batches of frames."""

import math
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Better, Label, Measure

if TYPE_CHECKING:
    from dd_tools.nn.lpips import Lpips

BATCH = 16  # frames


def lpips_label(network: "Lpips | None") -> Label:
    """The label of LPIPS as measured with `network`."""
    settings = "none"
    if network:
        settings = f"lpips-{version('lpips')},v0.1,{network.net},trunk-{network.fingerprint},rgb"
    return Label("lpips", "LPIPS", "", Better.LOWER, 3, settings)


class LpipsMean(Measure):
    """Mean LPIPS of the region over a clip; 0 for identical frames."""

    def __init__(self, network: "Lpips"):
        self.labels = (lpips_label(network),)
        self._network = network
        self._batch: list[FramePair] = []
        self._sum, self._count = 0.0, 0

    def add(self, frame: FramePair) -> None:
        """See `Observer.add`."""
        if frame.region is not None:
            self._batch.append(frame)
        if len(self._batch) == BATCH:
            self._measure()

    def _measure(self) -> None:
        truth, generated = (np.stack(regions) for regions in zip(*(frame.region for frame in self._batch), strict=True))
        has_mask = self._batch[0].region_mask is not None
        masks = np.stack([frame.region_mask for frame in self._batch]) if has_mask else None
        self._sum += float(self._network.distances(truth, generated, masks).sum())
        self._count += len(self._batch)
        self._batch = []

    def results(self) -> tuple[float, ...]:
        """See `Measure.results`."""
        if self._batch:
            self._measure()
        return (self._sum / self._count if self._count else math.nan,)
