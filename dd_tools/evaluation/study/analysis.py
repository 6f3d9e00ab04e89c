"""What the answers of a group of raters say about the systems of a study."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import krippendorff
import numpy as np

from dd_tools.evaluation.study.comparison import Comparison, compare
from dd_tools.evaluation.study.key import ANCHOR, RATED, RATING, TRUTH, Item, Key
from dd_tools.evaluation.study.opinion import Estimate, estimate
from dd_tools.evaluation.study.preference import Strength, strengths
from dd_tools.evaluation.study.results import Result
from dd_tools.evaluation.study.scenarios import SCALE, SCENARIOS
from dd_tools.evaluation.study.screening import reasons_to_screen

SCALE_ENDS = min(SCALE), max(SCALE)
DIFFERENCES = SCALE_ENDS[0] - SCALE_ENDS[1], SCALE_ENDS[1] - SCALE_ENDS[0]


@dataclass(frozen=True)
class ScenarioScores:
    """One scenario. The first three are those of ratings, the last of preferences; the others are empty.

    opinions: mean opinion score of each system. comparisons: all pairs of systems. agreement: Krippendorff's ordinal
    alpha of the raters, 1 for perfect agreement and 0 for chance; NaN for fewer than two raters. preferences: strength
    of each system.
    """

    opinions: Mapping[str, Estimate]
    comparisons: Sequence[Comparison]
    agreement: float
    preferences: Sequence[Strength]


@dataclass(frozen=True)
class Analysis:
    """The scores of a group of raters. raters: their number. scenarios: by key of `SCENARIOS`, in their order."""

    raters: int
    scenarios: Mapping[str, ScenarioScores]


@dataclass(frozen=True)
class StudyScores:
    """The scores of a study. screened: rater to reasons. all, attentive: with and without the screened raters."""

    key: Key
    screened: Mapping[str, Sequence[str]]
    all: Analysis
    attentive: Analysis


def score_study(results: Sequence[Result], key: Key) -> StudyScores:
    """Screen the raters and score the study with and without those who did not pay attention."""
    reasons = {result.rater: reasons_to_screen(result, key) for result in results}
    attentive = [result for result in results if not reasons[result.rater]]
    screened = {rater: why for rater, why in reasons.items() if why}
    everybody = analyse(results, key)
    return StudyScores(key, screened, everybody, analyse(attentive, key) if screened else everybody)


def analyse(results: Sequence[Result], key: Key) -> Analysis:
    """Score the answers of all `results`."""
    score = _score_ratings if key.mode == RATING else _score_preferences
    scenarios = [scenario for scenario in SCENARIOS if any(item.scenario == scenario for item in _rated(key).values())]
    return Analysis(
        len(results), {scenario: score(results, key, scenario) for scenario in scenarios} if results else {}
    )


def _rated(key: Key) -> dict[str, Item]:
    return {name: item for name, item in key.items.items() if item.role == RATED}


def _score_ratings(results: Sequence[Result], key: Key, scenario: str) -> ScenarioScores:
    scores = rating_matrices(results, key, scenario)
    return ScenarioScores(
        {system: estimate(own, SCALE_ENDS) for system, own in scores.items()},
        compare(scores, DIFFERENCES),
        agreement(np.concatenate(list(scores.values()), axis=1)),
        [],
    )


def _score_preferences(results: Sequence[Result], key: Key, scenario: str) -> ScenarioScores:
    wins, systems = preference_counts(results, key, scenario)
    return ScenarioScores({}, [], np.nan, strengths(wins, systems))


def rating_matrices(results: Sequence[Result], key: Key, scenario: str) -> dict[str, np.ndarray]:
    """Each system's ratings in a scenario, float (raters, clips), NaN where a rater did not see a clip."""
    items = {name: item for name, item in _rated(key).items() if item.scenario == scenario}
    clips = sorted({item.clip for item in items.values()})
    systems = _sorted({item.systems[0] for item in items.values()})
    matrices = {system: np.full((len(results), len(clips)), np.nan) for system in systems}
    for row, result in enumerate(results):
        for one in result.answers:
            if one.item in items:
                item = items[one.item]
                matrices[item.systems[0]][row, clips.index(item.clip)] = one.answer
    return matrices


def preference_counts(results: Sequence[Result], key: Key, scenario: str) -> tuple[np.ndarray, list[str]]:
    """How often each rater preferred system s to t in each clip, (raters, clips, systems, systems), and the systems."""
    items = {name: item for name, item in _rated(key).items() if item.scenario == scenario}
    clips = sorted({item.clip for item in items.values()})
    systems = _sorted({system for item in items.values() for system in item.systems})
    wins = np.zeros((len(results), len(clips), len(systems), len(systems)))
    for row, result in enumerate(results):
        for one in result.answers:
            if one.item in items:
                item = items[one.item]
                pair = [systems.index(system) for system in item.systems]
                wins[row, clips.index(item.clip), pair[one.answer - 1], pair[2 - one.answer]] += 1
    return wins, systems


def _sorted(systems: Iterable[str]) -> list[str]:
    """The systems in alphabetical order, then the truth and the anchor."""
    return sorted(systems, key=lambda system: (system == ANCHOR, system == TRUTH, system))


def agreement(ratings: np.ndarray) -> float:
    """Krippendorff's ordinal alpha of ratings (raters, items), NaN where missing; NaN where it is not defined."""
    shared = (~np.isnan(ratings)).sum(0) > 1
    if not shared.any() or np.nanmin(ratings[:, shared]) == np.nanmax(ratings[:, shared]):
        return np.nan
    return float(krippendorff.alpha(ratings, level_of_measurement="ordinal", value_domain=sorted(SCALE)))
