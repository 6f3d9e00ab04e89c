"""The scores as a table of text."""

from collections.abc import Sequence

from dd_tools.evaluation.measures.interface import Label
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.scores import ClipScores, SystemScores
from dd_tools.spelling import spelled


def table(report: Report) -> tuple[list[str], list[list[list[str]]]]:
    """A header, and for each system its rows of cells: one per clip, and for several clips their mean and interval.

    Values of a system as a whole appear in the row of the mean, or of its only clip. Names are spelled as in messages.
    """
    header = ["", "frames", "no face", *(label.heading for label in report.labels)]
    return header, [_rows(system, report.labels) for system in report.systems]


def _rows(system: SystemScores, labels: Sequence[Label]) -> list[list[str]]:
    if len(system.clips) == 1:
        pooled = {key: score.value for key, score in system.scores.items()}
        return [_clip_row(system.clips[0], labels, pooled)]
    scores = [system.scores[label.key] for label in labels]
    means = [f"{spelled(system.system)}: mean of {len(system.clips)}", "", "", *(s.label.text(s.value) for s in scores)]
    intervals = ["95 % interval", "", "", *(score.interval for score in scores)]
    return [*(_clip_row(clip, labels, {}) for clip in system.clips), means, intervals]


def _clip_row(clip: ClipScores, labels: Sequence[Label], pooled: dict[str, float]) -> list[str]:
    missed = max(clip.missed_truth, clip.missed_generated)
    values = (clip.values.get(label.key, pooled.get(label.key)) for label in labels)
    cells = [label.text(value) for label, value in zip(labels, values, strict=True)]
    return [spelled(clip.name), str(clip.frames), str(missed), *cells]
