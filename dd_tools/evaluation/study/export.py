"""The scores of a study as JSON, and the answers as CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dd_tools import __version__
from dd_tools.evaluation.study.analysis import Analysis, StudyScores
from dd_tools.evaluation.study.results import Result
from dd_tools.formats.atomic import atomic_output
from dd_tools.spelling import spelled

_COLUMNS = (
    "rater", "screened", "position", "role", "scenario", "clip", "system", "right_system", "answer", "plays",
    "milliseconds",
)  # fmt: skip


def write_scores(scores: StudyScores, left_out: Sequence[str], path: Path) -> None:
    """Write one object: version, study, mode, raters, left_out, screened, attentive, all. NaN is null.

    left_out: a line for each result that was not used.
    """
    document = {
        "dd_study": __version__,
        "study": scores.key.study,
        "mode": scores.key.mode,
        "raters": len(scores.key.sessions),
        "left_out": list(left_out),
        "screened": scores.screened,
        "attentive": _analysis(scores.attentive),
        "all": _analysis(scores.all),
    }
    _write(path, json.dumps(_for_json(document), ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def _analysis(analysis: Analysis) -> dict:
    return {"raters": analysis.raters, **{name: asdict(one) for name, one in analysis.scenarios.items()}}


def _for_json(value: object) -> object:
    """The value with null for NaN and names spelled as in messages."""
    if isinstance(value, Mapping):
        return {spelled(key): _for_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(inner) for inner in value]
    if isinstance(value, str):
        return spelled(value)
    return None if value != value else value


def write_answers(results: Sequence[Result], scores: StudyScores, path: Path) -> None:
    """Write a row for every answer, also those to repeated items and traps, in the order of the sessions.

    system: what was shown; in a pair the left one, and right_system the right one.
    """
    text = io.StringIO()
    rows = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    rows.writeheader()
    for result in results:
        for position, one in enumerate(result.answers, start=1):
            item = scores.key.items[one.item]
            shown = dict(zip(("system", "right_system"), map(spelled, item.systems), strict=False))
            rows.writerow({
                "rater": result.rater, "screened": int(result.rater in scores.screened), "position": position,
                "role": item.role, "scenario": item.scenario, "clip": spelled(item.clip), **shown,
                "answer": one.answer, "plays": one.plays, "milliseconds": one.milliseconds,
            })  # fmt: skip
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
