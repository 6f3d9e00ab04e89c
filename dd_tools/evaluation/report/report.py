"""The results of a run, from which all kinds of reports are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dd_tools.evaluation.measures.interface import Label
from dd_tools.evaluation.scores import ClipScores, SystemScores, summarise


@dataclass(frozen=True)
class Report:
    """The scores of one run.

    labels: of all measures, in the order of tables. failed: one line for each video that could not be scored.
    signature: all settings that can change a score. pooled: values by label and system, of measures that are computed
    over all frames of a system.
    """

    labels: Sequence[Label]
    clips: Sequence[ClipScores]
    failed: Sequence[str]
    signature: str
    pooled: Mapping[Label, Mapping[str, float]] = field(default_factory=dict)

    @property
    def systems(self) -> list[SystemScores]:
        """The clips by system, with means and intervals."""
        return summarise(self.clips, self.labels, self.pooled)
