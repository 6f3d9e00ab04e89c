"""The scores as JSON, CSV and Markdown files."""

import csv
import io
import json
import math
from pathlib import Path

from dd_tools import __version__
from dd_tools.evaluation.report.report import Report
from dd_tools.evaluation.report.table import table
from dd_tools.evaluation.scores import ClipScores, Score
from dd_tools.formats.atomic import atomic_output
from dd_tools.spelling import spelled

MEAN = "(mean)"  # clip name of a system's row in CSV
_CLIP_FIELDS = (
    "system", "clip", "generated", "truth", "frames", "missed_truth", "missed_generated", "identical_frames",
)  # fmt: skip


def write_json(report: Report, path: str | Path) -> None:
    """Write one object: version, signature, measures, systems, clips, failed. NaN is null, infinity is "inf".

    Bytes of names that are not UTF-8 are escaped as lone surrogates, as Python's JSON module reads them.
    """
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
        "clips": [_clip(clip) for clip in report.clips],
        "failed": list(report.failed),
    }
    _write_text(path, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def _score(score: Score) -> dict:
    return {"mean": _number(score.value), "low": score.low, "high": score.high, "clips": score.clips}


def _clip(clip: ClipScores) -> dict:
    values = {key: _number(value) for key, value in clip.values.items()}
    return {**_fields(clip), **values, "registered": clip.registered, **_verdict(clip)}


def _verdict(clip: ClipScores) -> dict:
    return {"faults": list(clip.faults), "rejected": list(clip.rejected)}


def _fields(clip: ClipScores) -> dict:
    return {name: getattr(clip, name) for name in _CLIP_FIELDS}


def write_csv(report: Report, path: str | Path) -> None:
    """Write a row per clip, then a row per system with the clip name ``(mean)``. Missing values are empty.

    Names are spelled as in messages, see `dd_tools.spelling`.
    """
    keys = [label.key for label in report.labels]
    text = io.StringIO()
    rows = csv.DictWriter(text, [*_CLIP_FIELDS, *keys, "signature"], lineterminator="\n")
    rows.writeheader()
    for clip in report.clips:
        values = {key: _number(clip.values.get(key, math.nan)) for key in keys}
        fields = {name: spelled(value) if isinstance(value, str) else value for name, value in _fields(clip).items()}
        rows.writerow({**fields, **values, "signature": report.signature})
    for one in report.systems:
        means = {key: _number(one.scores[key].value) for key in keys}
        rows.writerow({"system": spelled(one.system), "clip": MEAN, **means, "signature": report.signature})
    _write_text(path, text.getvalue())


def write_markdown(report: Report, path: str | Path) -> None:
    """Write the rows of `table` as a Markdown table, and the signature."""
    header, sections = table(report)
    ruler = ["---"] + ["---:"] * (len(header) - 1)
    rows = [header, ruler, *(row for section in sections for row in section)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    _write_text(path, "\n".join([*lines, "", f"`{report.signature}`", ""]))


def _number(value: float) -> float | str | None:
    """A value that JSON can hold; it has neither NaN nor infinity."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else "inf"


def _write_text(path: str | Path, text: str) -> None:
    with atomic_output(path) as temporary:
        # In JSON, the only text with lone surrogates, this writes them as JSON does.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
