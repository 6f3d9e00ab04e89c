"""The scores of a study as tables of text: a header and rows of cells."""

from collections.abc import Iterator

import numpy as np

from dd_tools.evaluation.study.analysis import Analysis, ScenarioScores
from dd_tools.evaluation.study.comparison import Comparison
from dd_tools.evaluation.study.key import ANCHOR, TRUTH
from dd_tools.evaluation.study.opinion import Estimate
from dd_tools.evaluation.study.preference import Strength
from dd_tools.evaluation.study.published import published_score
from dd_tools.evaluation.study.scenarios import SCENARIOS
from dd_tools.spelling import spelled

MISSING = "–"
SIGNIFICANT = 0.05
COMPARISON_NOTE = (
    "differences of the mean scores with 95 % intervals over raters and clips; p of Wilcoxon's test over raters, for "
    f"these clips, after Holm's correction; * the interval does not contain 0, and p < {SIGNIFICANT}"
)

Table = tuple[list[str], list[list[str]]]


def opinion_table(analysis: Analysis) -> Table:
    """The paper's Table 3: mean opinion scores with intervals; beside them the paper's, where a system is in it."""
    systems = ordered_systems(analysis)
    has_paper = any(published_score(system, scenario) for system in systems for scenario in analysis.scenarios)
    header, columns = ["system"], [[spelled(system) for system in systems]]
    for scenario, scores in analysis.scenarios.items():
        header.append(f"MOS-{scenario} ↑")
        columns.append([estimate_text(scores.opinions.get(system)) for system in systems])
        if has_paper:
            header.append("paper")
            columns.append([_number(published_score(system, scenario)) for system in systems])
    return header, [list(row) for row in zip(*columns, strict=True)]


def comparison_table(analysis: Analysis) -> Table:
    """The differences of all pairs of systems with their intervals and p, the significant ones with a star."""
    pairs = [(one.first, one.second) for scores in analysis.scenarios.values() for one in scores.comparisons]
    rows = []
    for pair in dict.fromkeys(pairs):
        cells = [_comparison_text(scores, pair) for scores in analysis.scenarios.values()]
        rows.append([spelled(f"{pair[0]} − {pair[1]}"), *cells])
    return ["difference", *analysis.scenarios], rows


def _comparison_text(scores: ScenarioScores, pair: tuple[str, str]) -> str:
    found = [one for one in scores.comparisons if (one.first, one.second) == pair]
    return comparison_text(found[0]) if found else MISSING


def comparison_text(one: Comparison) -> str:
    """For example ``+0.42 [0.13, 0.71] p 0.012 *``."""
    difference = one.difference
    if np.isnan(difference.mean):
        return MISSING
    is_sure = one.p < SIGNIFICANT and (difference.low > 0 or difference.high < 0)
    p = MISSING if np.isnan(one.p) else f"{one.p:.3f}"
    return " ".join(filter(None, (f"{difference.mean:+.2f}", _interval(difference), f"p {p}", "*" * is_sure)))


def preference_table(analysis: Analysis) -> Table:
    """The chance of each system to be preferred to an average one, with its interval, and its share of wins."""
    systems = ordered_systems(analysis)
    columns = [[preference_text(scores, system) for system in systems] for scores in analysis.scenarios.values()]
    return ["system", *(f"{scenario} ↑" for scenario in analysis.scenarios)], [
        [spelled(system), *row] for system, *row in zip(systems, *columns, strict=True)
    ]


def preference_text(scores: ScenarioScores, system: str) -> str:
    """For example ``71 % [60, 80], wins 68 %``."""
    found = [one for one in scores.preferences if one.system == system]
    return _strength_text(found[0]) if found else MISSING


def _strength_text(one: Strength) -> str:
    interval = "" if np.isnan(one.low) else f" [{100 * one.low:.0f}, {100 * one.high:.0f}]"
    return f"{100 * one.chance:.0f} %{interval}, wins {100 * one.wins:.0f} %"


def ordered_systems(analysis: Analysis) -> list[str]:
    """The systems, the best first, by the mean of their scores; the hidden reference and the anchor last."""
    means: dict[str, list[float]] = {}
    for scores in analysis.scenarios.values():
        for system, value in [*_means(scores)]:
            means.setdefault(system, []).append(value)
    return sorted(means, key=lambda system: (system == ANCHOR, system == TRUTH, -np.mean(means[system])))


def _means(scores: ScenarioScores) -> Iterator[tuple[str, float]]:
    yield from ((system, one.mean) for system, one in scores.opinions.items())
    yield from ((one.system, one.chance) for one in scores.preferences)


def agreement_line(analysis: Analysis) -> str:
    """The raters' agreement in each scenario, for example ``agreement (Krippendorff's ordinal alpha): MF 0.62``."""
    values = [f"{scenario} {_number(scores.agreement)}" for scenario, scores in analysis.scenarios.items()]
    return f"agreement (Krippendorff's ordinal alpha): {', '.join(values)}"


def estimate_text(value: Estimate | None) -> str:
    """For example ``4.12 [3.90, 4.34]``."""
    return MISSING if value is None else f"{_number(value.mean)} {_interval(value)}".rstrip()


def _interval(value: Estimate) -> str:
    return "" if np.isnan(value.low) else f"[{value.low:.2f}, {value.high:.2f}]"


def _number(value: float | None) -> str:
    return MISSING if value is None or np.isnan(value) else f"{value:.2f}"


def raters_text(count: int) -> str:
    """For example ``12 raters``."""
    return f"{count} rater{'s' * (count != 1)}"


def scenario_titles(analysis: Analysis) -> str:
    """What the columns mean, for example ``MF: Mouth Fidelity, N: Naturalness``."""
    return ", ".join(f"{scenario}: {SCENARIOS[scenario].title}" for scenario in analysis.scenarios)
