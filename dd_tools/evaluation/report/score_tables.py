"""The tables of the web pages: rows of printed values, with the best value of each column marked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.report.clip_media import ClipMedia
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.scores import ClipScores


@dataclass(frozen=True)
class Cell:
    """A printed value with its confidence interval ("" for none). is_best: whether it is the best of its column."""

    text: str
    interval: str = ""
    is_best: bool = False
    is_missing: bool = False


@dataclass(frozen=True)
class Row:
    """A table row. count: number of clips or frames. missed: number of frames without a face. page: the clip's page."""

    name: str
    count: int
    cells: Sequence[Cell]
    missed: int = 0
    page: str | None = None
    is_baseline: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """A table with two leading columns and one per label. groups: groups of rows, separated by lines."""

    name_heading: str
    count_heading: str
    labels: Sequence[Label]
    groups: Sequence[Sequence[Row]]


def systems_table(report: Report) -> ScoreTable:
    """A row per system, then a row per baseline."""
    groups = []
    for baseline in (False, True):
        systems = [system for system in report.systems if is_baseline(system.clips[0]) == baseline]
        scores = [[system.scores[label.key] for label in report.labels] for system in systems]
        values = [[(score.value, score.interval) for score in row] for row in scores]
        cells = _cells(values, report.labels, mark_best=not baseline)
        groups.append([
            Row(system.system, len(system.clips), row, is_baseline=baseline)
            for system, row in zip(systems, cells, strict=True)
        ])  # fmt: skip
    return ScoreTable("system", "clips", report.labels, [rows for rows in groups if rows])


def clips_table(report: Report, media: Mapping[ClipScores, ClipMedia]) -> ScoreTable:
    """A row per clip, grouped by truth; the best values are marked within each group, whose baselines come last."""
    groups = []
    for truth in dict.fromkeys(clip.truth for clip in report.clips):
        group: list[Row] = []
        for baseline in (False, True):
            clips = [clip for clip in report.clips if clip.truth == truth and is_baseline(clip) == baseline]
            group += _clip_rows(clips, report.labels, media, mark_best=not baseline)
        groups.append(group)
    return ScoreTable("clip", "frames", report.labels, groups)


def clip_table(clip: ClipScores, labels: Sequence[Label]) -> ScoreTable:
    """A single row with the scores of one clip."""
    [row] = _cells([_values(clip, labels)], labels, mark_best=False)
    return ScoreTable("", "frames", labels, [[Row("this clip", clip.frames, row, _missed(clip))]])


def is_baseline(clip: ClipScores) -> bool:
    """Whether the scores belong to a baseline, which has no file."""
    return clip.generated is None


def _clip_rows(
    clips: Sequence[ClipScores], labels: Sequence[Label], media: Mapping[ClipScores, ClipMedia], *, mark_best: bool
) -> list[Row]:
    cells = _cells([_values(clip, labels) for clip in clips], labels, mark_best=mark_best)
    return [
        Row(
            clip.name, clip.frames, row, _missed(clip), page=media[clip].page if clip in media else None,
            is_baseline=is_baseline(clip),
        )
        for clip, row in zip(clips, cells, strict=True)
    ]  # fmt: skip


def _values(clip: ClipScores, labels: Sequence[Label]) -> list[tuple[float, str]]:
    return [(clip.values.get(label.key, math.nan), "") for label in labels]


def _missed(clip: ClipScores) -> int:
    return max(clip.missed_truth, clip.missed_generated)


def _cells(
    rows: Sequence[Sequence[tuple[float, str]]], labels: Sequence[Label], *, mark_best: bool
) -> list[list[Cell]]:
    """Cells for rows of values with their intervals."""
    cells = [
        [
            Cell(label.text(value), interval, is_missing=math.isnan(value))
            for label, (value, interval) in zip(labels, row, strict=True)
        ]
        for row in rows
    ]
    if mark_best:
        for column, label in enumerate(labels):
            for row in _best_rows([_ranked(row, column, label) for row in rows], label):
                cells[row][column] = replace(cells[row][column], is_best=True)
    return cells


def _ranked(row: Sequence[tuple[float, str]], column: int, label: Label) -> float:
    """The number by which a row is ranked in a column, see `Better.cost`."""
    value = row[column][0]
    return value - row[column + 1][0] if label.better is Better.NEAR_TRUTH else value


def _best_rows(values: Sequence[float], label: Label) -> list[int]:
    """The rows with the best of a column's values as printed; none if all are equally good."""
    costs = {
        row: label.better.cost(float(label.text(value))) for row, value in enumerate(values) if not math.isnan(value)
    }
    lowest = min(costs.values(), default=math.nan)
    return [row for row, cost in costs.items() if cost == lowest < max(costs.values())]
