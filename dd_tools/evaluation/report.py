"""Scores as files and as tables of text."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dd_tools import __version__
from dd_tools.evaluation.measure import Label
from dd_tools.evaluation.scores import ClipScores, Score, SystemScores, summarise
from dd_tools.formats.atomic import atomic_output

MEAN = "(mean)"
_CLIP_FIELDS = (
    "system", "clip", "generated", "truth", "frames", "missed_truth", "missed_generated", "identical_frames",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Everything one run found, or all that is known of it.

    failed: a line for every video that could not be scored. pooled: values by label and system that belong to all
    frames of a system rather than to its clips; `labels` has their labels too.
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


def write_json(report: Report, path: str | Path) -> None:
    """One object: version, signature, measures, systems, clips, failed. NaN is null, infinity the string "inf"."""
    document = {
        "dd_eval": __version__,
        "signature": report.signature,
        "measures": [
            {"key": one.key, "title": one.title, "unit": one.unit, "better": one.better.name.lower()}
            for one in report.labels
        ],
        "systems": [
            {"system": one.system, "clips": len(one.clips), **{key: _score(score) for key, score in one.scores.items()}}
            for one in report.systems
        ],
        "clips": [
            {
                **{name: getattr(clip, name) for name in _CLIP_FIELDS},
                **{key: _number(value) for key, value in clip.values.items()},
                "registered": clip.registered,
                "faults": list(clip.faults),
            }
            for clip in report.clips
        ],
        "failed": list(report.failed),
    }
    _write_text(path, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_csv(report: Report, path: str | Path) -> None:
    """A line per clip, then a line per system whose clip is ``(mean)``; empty where there is no value."""
    keys = [label.key for label in report.labels]
    text = io.StringIO()
    lines = csv.DictWriter(text, [*_CLIP_FIELDS, *keys, "signature"], lineterminator="\n")
    lines.writeheader()
    for clip in report.clips:
        own = {name: getattr(clip, name) for name in _CLIP_FIELDS}
        values = {key: _number(clip.values.get(key, math.nan)) for key in keys}
        lines.writerow({**own, **values, "signature": report.signature})
    for one in report.systems:
        means = {key: _number(one.scores[key].value) for key in keys}
        lines.writerow({"system": one.system, "clip": MEAN, **means, "signature": report.signature})
    _write_text(path, text.getvalue())


def write_markdown(report: Report, path: str | Path) -> None:
    """The table of `table` and the signature."""
    header, sections = table(report)
    ruler = ["---"] + ["---:"] * (len(header) - 1)
    rows = [header, ruler, *(row for section in sections for row in section)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    _write_text(path, "\n".join([*lines, "", f"`{report.signature}`", ""]))


def table(report: Report) -> tuple[list[str], list[list[list[str]]]]:
    """A header and, per system, rows of text: each clip, the mean where there are several, and its interval.

    Values that belong to a system as a whole stand in the row of its mean, or of its only clip.
    """
    header = ["", "frames", "no face", *(label.heading for label in report.labels)]
    return header, [_section(system, report.labels) for system in report.systems]


def _section(system: SystemScores, labels: Sequence[Label]) -> list[list[str]]:
    rows = []
    is_alone = len(system.clips) == 1
    for clip in system.clips:
        missed = max(clip.missed_truth, clip.missed_generated)
        whole = {key: score.value for key, score in system.scores.items()} if is_alone else {}
        cells = [label.text(clip.values.get(label.key, whole.get(label.key))) for label in labels]
        rows.append([clip.name, str(clip.frames), str(missed), *cells])
    if not is_alone:
        scores = [system.scores[label.key] for label in labels]
        rows.append([f"{system.system}: mean of {len(system.clips)}", "", "", *(s.label.text(s.value) for s in scores)])
        rows.append(["95 % interval", "", "", *(score.interval for score in scores)])
    return rows


def _score(score: Score) -> dict:
    return {"mean": _number(score.value), "low": score.low, "high": score.high, "clips": score.clips}


def _number(value: float) -> float | str | None:
    """What JSON can hold: it has neither NaN nor infinity."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else "inf"


def _write_text(path: str | Path, text: str) -> None:
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
