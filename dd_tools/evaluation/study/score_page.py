"""The scores of a study as a web page that needs no network."""

from collections.abc import Sequence
from pathlib import Path

from dd_tools import __version__
from dd_tools.evaluation.report.pages import INDEX, TEMPLATES, write_page
from dd_tools.evaluation.study import tables
from dd_tools.evaluation.study.analysis import SCALE_ENDS, Analysis, StudyScores
from dd_tools.evaluation.study.key import RATING
from dd_tools.evaluation.study.scenarios import SCENARIOS


def write_score_page(scores: StudyScores, faults: Sequence[str], folder: Path) -> None:
    """Write ``index.html`` to `folder`. faults: a line for each result that was left out."""
    page = TEMPLATES.get_template("study.html").render(
        version=__version__,
        study=scores.key.study,
        notes=faults,
        screened=scores.screened,
        groups=_groups(scores),
        scenarios=SCENARIOS,
        is_rating=scores.key.mode == RATING,
        comparison_note=tables.COMPARISON_NOTE,
    )
    write_page(folder / INDEX, page)


def _groups(scores: StudyScores) -> list[tuple[str, dict]]:
    """The attentive raters, and all if that is not the same: a heading, and what the template shows of them."""
    groups = [("", scores.attentive)]
    if scores.screened:
        groups = [("Without the screened raters", scores.attentive), ("All raters", scores.all)]
    return [(heading, _group(analysis, is_rating=scores.key.mode == RATING)) for heading, analysis in groups]


def _group(analysis: Analysis, *, is_rating: bool) -> dict:
    return {
        "raters": analysis.raters,
        "table": tables.opinion_table(analysis) if is_rating else tables.preference_table(analysis),
        "comparisons": tables.comparison_table(analysis),
        "agreement": tables.agreement_line(analysis) if is_rating else "",
        "charts": {name: _chart(analysis, name, is_rating=is_rating) for name in analysis.scenarios},
    }


def _chart(analysis: Analysis, scenario: str, *, is_rating: bool) -> list[tuple[str, float, float, float]]:
    """System, mean and ends of its interval, each as a share of the chart's width."""
    scores = analysis.scenarios[scenario]
    low, high = SCALE_ENDS if is_rating else (0, 1)
    values = scores.opinions if is_rating else {one.system: one for one in scores.preferences}
    points = {name: (one.mean if is_rating else one.chance, one.low, one.high) for name, one in values.items()}
    return [
        (name, *((value - low) / (high - low) for value in points[name]))
        for name in tables.ordered_systems(analysis)
        if name in points
    ]
