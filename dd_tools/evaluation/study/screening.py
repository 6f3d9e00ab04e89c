"""Which raters did not pay attention, and why.

A rater who clicks at random passes a trap of five answers one time in five. An attentive one slips now and then, so one
failed trap is forgiven.
"""

from collections.abc import Iterator

import numpy as np

from dd_tools.evaluation.study.key import RATED, RATING, REPEAT, TRAP, Item, Key
from dd_tools.evaluation.study.results import Result

FORGIVEN_TRAPS = 1
SAME_ANSWER, MIN_ANSWERS = 0.9, 10  # share of equal answers that is straight-lining, among at least so many answers
MIN_REPEATS = 4  # fewer repeated items tell nothing
# Mean absolute difference between the two ratings of repeated items. Answers at random have 1.6 on average.
RATING_DIFFERENCE = 2.0
PREFERENCE_CHANGES = 0.8  # share of repeated pairs in which the other system is preferred; at random it is 0.5


def reasons_to_screen(result: Result, key: Key) -> list[str]:
    """Why the answers of a rater should not count; empty if they should."""
    answers = [(key.items[one.item], one.answer) for one in result.answers]
    return [*_failed_traps(answers), *_straight_lining(answers), *_contradictions(answers, key)]


Answers = list[tuple[Item, int]]


def _failed_traps(answers: Answers) -> Iterator[str]:
    failed = [answer != item.answer for item, answer in answers if item.role == TRAP]
    if sum(failed) > FORGIVEN_TRAPS:
        yield f"failed {sum(failed)} of {len(failed)} attention traps"


def _straight_lining(answers: Answers) -> Iterator[str]:
    own = [answer for item, answer in answers if item.role == RATED]
    values, counts = np.unique(own, return_counts=True)
    if len(own) >= MIN_ANSWERS and counts.max() >= SAME_ANSWER * len(own):
        yield f"gave the same answer, {values[counts.argmax()]}, to {counts.max()} of {len(own)} items"


def _contradictions(answers: Answers, key: Key) -> Iterator[str]:
    """Answers to items that show the same as an earlier one; a repeated pair has its sides swapped."""
    first = {_shown(item): (item, answer) for item, answer in answers if item.role == RATED}
    repeated = [(item, answer, first.get(_shown(item))) for item, answer in answers if item.role == REPEAT]
    repeats = [(item, answer, *before) for item, answer, before in repeated if before]  # whose first showing played
    if len(repeats) < MIN_REPEATS:
        return
    if key.mode == RATING:
        difference = np.mean([abs(answer - earlier) for _, answer, _, earlier in repeats])
        if difference > RATING_DIFFERENCE:
            yield f"rated {len(repeats)} repeated items {difference:.1f} points apart on average"
        return
    changed = [one.systems[answer - 1] != other.systems[earlier - 1] for one, answer, other, earlier in repeats]
    if np.mean(changed) > PREFERENCE_CHANGES:
        yield f"preferred the other system in {sum(changed)} of {len(changed)} repeated pairs"


def _shown(item: Item) -> tuple[str, str, frozenset[str]]:
    return item.scenario, item.clip, frozenset(item.systems)
