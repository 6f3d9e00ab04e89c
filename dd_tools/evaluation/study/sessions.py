"""Sessions: what each rater sees and in which order, from the names of a plan and random numbers, without files.

A session has a section per scenario. In every section the orders of systems are balanced over the raters, see
`dd_tools.evaluation.study.design`. Training comes first; repeated items and traps are inserted.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from dd_tools.evaluation.study.design import Design, williams_row
from dd_tools.evaluation.study.key import ANCHOR, PREFERENCE, RATED, RATING, REPEAT, TRAINING, TRAP, TRUTH, Item, Key
from dd_tools.evaluation.study.scenarios import SCALE, SIDES

REPEATS = 6  # in a session
# In a session. Who clicks at random and is forgiven one trap passes them in 3 of 100 and in 4 of 100 sessions.
TRAPS = {RATING: 4, PREFERENCE: 8}
_RATED_PER_REPEAT, _RATED_PER_TRAP = 4, 2  # items; short sessions have fewer repeats and traps
_DISTANCES = (6, 2)  # items from the first showing to its repeat: at least, if there is room, otherwise
_NAME_BYTES = 4


@dataclass(frozen=True)
class Section:
    """A scenario with its clips and systems, the truth among them if there is one; every system has every clip."""

    scenario: str
    clips: tuple[str, ...]
    systems: tuple[str, ...]

    def units(self, mode: str) -> list[tuple[str, ...]]:
        """What is compared: the systems with the anchor, or the pairs of systems."""
        if mode == RATING:
            return [(system,) for system in (*self.systems, ANCHOR)]
        return list(combinations(self.systems, 2))


def make_key(
    study: str, sections: Sequence[Section], mode: str, raters: int, per_clip: int | None, rng: random.Random
) -> Key:
    """The sessions of all raters, which are "1", "2", …, with random names for the items.

    per_clip: of each clip, a rater sees so many units (see `Section.units`), or all that there are if they are fewer;
    None for all. The same arguments and the same state of `rng` give the same key.
    """
    sessions = _sessions(sections, mode, raters, per_clip, rng)
    names: dict[tuple[Item, int], str] = {}
    named = {rater: tuple(_named(items, names, rng)) for rater, items in sessions.items()}
    items = {name: item for (item, _), name in names.items()}
    return Key(study, mode, {name: items[name] for name in sorted(items)}, named)


def _named(items: Sequence[Item], names: dict[tuple[Item, int], str], rng: random.Random) -> Iterator[str]:
    """The items' names. Two equal items of a session, such as traps, have different ones."""
    for place, item in enumerate(items):
        key = item, items[:place].count(item)
        while key not in names:
            name = rng.randbytes(_NAME_BYTES).hex()
            if name not in names.values():
                names[key] = name
        yield names[key]


def _sessions(
    sections: Sequence[Section], mode: str, raters: int, per_clip: int | None, rng: random.Random
) -> dict[str, list[Item]]:
    designs = {section: _design(section, mode, raters, per_clip, rng) for section in sections}
    return {str(rater + 1): _session(designs, mode, rater, rng) for rater in range(raters)}


def _design(section: Section, mode: str, raters: int, per_clip: int | None, rng: random.Random) -> Design:
    units = len(section.units(mode))
    return Design(units, len(section.clips), min(per_clip or units, units), raters, rng)


def _session(designs: Mapping[Section, Design], mode: str, rater: int, rng: random.Random) -> list[Item]:
    sections = _ordered(list(designs), rater)
    items = _training(sections[0], mode, rng)
    start, number = len(items), len(sections)
    total = sum(design.length for design in designs.values())
    repeats = min(REPEATS, total // _RATED_PER_REPEAT)
    for place, section in enumerate(sections):
        own = _rated_items(section, mode, rater, designs[section], items[-1].clip)
        items += _with_repeats(own, repeats // number + (place < repeats % number), rng)
    return _with_traps(items, start, min(TRAPS[mode], total // _RATED_PER_TRAP), mode, rng)


def _ordered(sections: Sequence[Section], rater: int) -> list[Section]:
    """The sections in the order of a row of Williams."""
    turn, shift = divmod(rater, len(sections))
    row = williams_row(len(sections))
    return [sections[(number + shift) % len(sections)] for number in (row[::-1] if turn % 2 else row)]


def _rated_items(section: Section, mode: str, rater: int, design: Design, before: str) -> list[Item]:
    """before: the clip that was shown last, possibly of another section."""
    units, clips = section.units(mode), section.clips
    return [
        Item(RATED, section.scenario, clips[clip], _sided(units[unit], unit + clip + rater))
        for unit, clip in design.showings(rater, clips.index(before) if before in clips else None)
    ]


def _sided(systems: tuple[str, ...], number: int) -> tuple[str, ...]:
    """A pair in one order for even numbers and in the other for odd ones, so that sides are balanced."""
    return systems[::-1] if number % 2 else systems


def _training(section: Section, mode: str, rng: random.Random) -> list[Item]:
    """Both ends of the scale, the truth or a system and the anchor, of different clips if there are; or a pair."""
    best = TRUTH if TRUTH in section.systems else rng.choice(section.systems)
    if mode != RATING:
        other = rng.choice([system for system in section.systems if system != best])
        return [Item(TRAINING, section.scenario, rng.choice(section.clips), _sided((best, other), rng.randrange(2)))]
    clips = rng.sample(section.clips, min(2, len(section.clips)))
    return [
        Item(TRAINING, section.scenario, clips[0], (best,)),
        Item(TRAINING, section.scenario, clips[-1], (ANCHOR,)),
    ]


def _with_repeats(rated: list[Item], count: int, rng: random.Random) -> list[Item]:
    """The items of a section and `count` repeats, or as many as there is room for, with the sides of a pair swapped."""
    several_clips = len({item.clip for item in rated}) > 1
    items = list(rated)
    for distance in _DISTANCES:
        for item in rng.sample(rated, len(rated)):
            repeat = replace(item, role=REPEAT, systems=item.systems[::-1])
            if len(items) == len(rated) + count or repeat in items:
                continue
            if places := _places(items, item, distance, several_clips):
                items.insert(rng.choice(places), repeat)
    return items


def _places(items: Sequence[Item], item: Item, distance: int, several_clips: bool) -> list[int]:
    """Where a repeat of `item` can be inserted, at least `distance` after it and not next to its clip."""
    return [
        place
        for place in range(items.index(item) + distance, len(items) + 1)
        if not several_clips or item.clip not in [other.clip for other in items[place - 1 : place + 1]]
    ]


def _with_traps(items: list[Item], start: int, count: int, mode: str, rng: random.Random) -> list[Item]:
    """The items with traps at random places, one in each of `count` equal parts, none before the third after `start`.

    Their answers are different or, of a preference, equally often left and right.
    """
    answers = list(SCALE) if mode == RATING else [*SIDES] * -(-count // len(SIDES))
    bounds = [round(start + 2 + (len(items) - start - 2) * part / (count or 1)) for part in range(count + 1)]
    places = [rng.randrange(low, max(high, low + 1)) for low, high in pairwise(bounds)]
    items = list(items)
    for place, answer in sorted(zip(places, rng.sample(answers, count), strict=True), reverse=True):
        items.insert(place, Item(TRAP, items[place - 1].scenario, answer=answer))
    return items
