"""Conditions on the scores of a clip, such as ``psnr<24``: a clip that meets one is not good enough."""

import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from dd_tools.errors import UsageError
from dd_tools.evaluation.scores import ClipScores

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Condition:
    """A comparison of one measure with a number.

    key: of the measure. comparison: <, <=, > or >=. number: in the measure's unit.
    """

    key: str
    comparison: str
    number: float

    def __str__(self) -> str:
        return f"{self.key}{self.comparison}{self.number:g}"

    def is_met(self, clip: ClipScores) -> bool:
        """Whether the clip meets the condition; one without a value does, as nobody knows whether it is good."""
        value = clip.values[self.key]
        return math.isnan(value) or _COMPARISONS[self.comparison](value, self.number)


def parse_conditions(texts: Sequence[str], keys: Collection[str]) -> list[Condition]:
    """Conditions as ``KEY<NUMBER``. keys: of what is measured. Raises `UsageError` for any other text."""
    return [_parsed(text, keys) for text in texts]


def _parsed(text: str, keys: Collection[str]) -> Condition:
    found = _CONDITION.fullmatch(text)
    try:
        key, comparison, number = found[1], found[2], float(found[3])
    except (TypeError, ValueError):
        raise UsageError(f"condition must be a measure, <, <=, > or >=, and a number, got '{text}'") from None
    if math.isnan(number):
        raise UsageError(f"condition must compare with a number, got '{text}'")
    if key not in keys:
        raise UsageError(f"cannot use '{text}': '{key}' is not measured; expected one of {', '.join(keys)}")
    return Condition(key, comparison, number)


def reasons(conditions: Sequence[Condition], clip: ClipScores) -> Iterator[str]:
    """A line for each condition that the clip meets."""
    for condition in conditions:
        if condition.is_met(clip):
            value = clip.values[condition.key]
            yield f"{condition} ({'not measured' if math.isnan(value) else f'{value:.4g}'})"
