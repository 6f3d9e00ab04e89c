"""Balanced orders: Williams' designs for what is compared, and clips that never come twice in succession.

E. J. Williams, "Experimental designs balanced for the estimation of residual effects of treatments", 1949.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

_STEPS = 600  # of a search, after which it is given up
_TEMPLATES = 12  # orders that are tried before one without Williams' rows is taken

Showing = tuple[int, int]  # the number of a unit and the number of a clip


def williams_row(count: int) -> list[int]:
    """The numbers below `count` in the order 0, 1, −1, 2, −2, … modulo `count`.

    In its `count` cyclic shifts, every number is at every place once and, if `count` is even, right after every other
    number once. If it is odd, that holds for the shifts of the row and of the reversed row together, twice.
    """
    return [(place + 1) // 2 if place % 2 else -(place // 2) % count for place in range(count)]


class Design:
    """In which order raters see the units (systems, or pairs of systems) of each clip.

    units, clips: their numbers. per_clip: of each clip, a rater sees so many units. raters: their number.

    The raters form groups of as many as there are units. In a group one order of numbers modulo `units` is used, to
    which each rater adds another number; so every unit comes at every place of the order once, and in its rows right
    after every other (see `williams_row`; for odd counts, in two groups). Within a group every unit of every clip is
    seen by `per_clip` raters, and a rater sees all units equally often, or some once more.
    """

    def __init__(self, units: int, clips: int, per_clip: int, raters: int, rng: random.Random):
        self._units, self._clips, self._per_clip, self._rng = units, clips, per_clip, rng
        self._groups: list[_Group] = []
        for number in range(-(-raters // units)):
            if number % 2 and units % 2:
                self._groups.append(self._groups[-1].mirrored(units))
            else:
                self._groups.append(self._group())

    @property
    def length(self) -> int:
        """How much a rater sees."""
        return self._clips * self._per_clip

    def showings(self, rater: int, before: int | None = None) -> list[Showing]:
        """What a rater sees, in order. rater: from 0. before: the clip that was shown last, if any.

        With two clips or more, no two neighbours are of one clip; nor is the first of the clip `before`, if possible.
        """
        group, shift = self._groups[rater // self._units], rater % self._units
        clips = None
        if group.is_williams:
            clips = _assigned(group.order, group.sets, self._rng, before)
        return [
            (group.labels[(offset + shift) % self._units], clip)
            for offset, clip in zip(group.order, clips or group.clips, strict=True)
        ]

    def _group(self) -> "_Group":
        labels = _shuffled(range(self._units), self._rng)
        for _ in range(_TEMPLATES):
            order, sets = self._order(), self._sets()
            if clips := _assigned(order, sets, self._rng, None):
                return _Group(labels, order, sets, clips, True)
        order, clips = _interleaved(self._sets(), self._rng)
        return _Group(labels, order, [], clips, False)

    def _sets(self) -> list[set[int]]:
        """The offsets of each clip: windows that follow one another, given to the clips at random."""
        starts = _shuffled(range(0, self.length, self._per_clip), self._rng)
        return [{(start + step) % self._units for step in range(self._per_clip)} for start in starts]

    def _order(self) -> list[int]:
        """All offsets of a session: rows of Williams, every second one reversed, each shifted; the last one shorter."""
        full, rest = divmod(self.length, self._units)
        row, order = williams_row(self._units), []
        for number in range(full):
            order += self._shifted(row[::-1] if number % 2 and (self._units % 2 or self._clips == 2) else row, order)
        return order + [(offset + (rest - 1) // 2) % self._units for offset in row[:rest]]

    def _shifted(self, row: Sequence[int], order: Sequence[int]) -> list[int]:
        """The row with a random number added, so that it does not begin as `order` ends."""
        if self._clips == 2:  # which then alternate, so that a unit's two places need different parities
            return list(row)
        shifts = [shift for shift in range(self._units) if not order or (row[0] + shift) % self._units != order[-1]]
        shift = self._rng.choice(shifts or [0])
        return [(offset + shift) % self._units for offset in row]


@dataclass(frozen=True)
class _Group:
    """The order of a group of raters.

    labels: the unit of each offset. sets: the offsets of each clip. clips: some that go with the order. is_williams:
    whether the order is made of Williams' rows; then each rater gets clips of his own.
    """

    labels: list[int]
    order: list[int]
    sets: list[set[int]]
    clips: list[int]
    is_williams: bool

    def mirrored(self, units: int) -> "_Group":
        """The group with negated offsets, in which those that followed each other do so the other way round."""
        order = [-offset % units for offset in self.order]
        sets = [{-offset % units for offset in one} for one in self.sets]
        return replace(self, order=order, sets=sets)


def _assigned(
    order: Sequence[int], sets: Sequence[set[int]], rng: random.Random, before: int | None
) -> list[int] | None:
    """A clip for each place of `order`, so that neighbours differ; None if none is found.

    A clip gets each offset of its set once. Places of one offset exchange clips until no neighbours are alike.
    """
    places = {offset: [place for place, other in enumerate(order) if other == offset] for offset in set(order)}
    clips = [0] * len(order)
    for offset, own in places.items():
        choices = _shuffled([clip for clip, offsets in enumerate(sets) if offset in offsets], rng)
        for place, clip in zip(own, choices, strict=True):
            clips[place] = clip
    if len(sets) == 1:
        return clips
    if len(sets) == 2:
        clips = _alternating(order, sets, rng, before) or clips
    return clips if _exchange(clips, [places[offset] for offset in order], rng, before) else None


def _alternating(
    order: Sequence[int], sets: Sequence[set[int]], rng: random.Random, before: int | None
) -> list[int] | None:
    first = rng.randrange(2) if before is None else 1 - before
    clips = [(first + place) % 2 for place in range(len(order))]
    seen = set(zip(order, clips, strict=True))
    return clips if seen == {(offset, clip) for clip, one in enumerate(sets) for offset in one} else None


def _exchange(clips: list[int], partners: Sequence[Sequence[int]], rng: random.Random, before: int | None) -> bool:
    """Exchange clips, in place, until no neighbours are alike; False if that fails.

    partners: the places with which each place may exchange.
    """
    for _ in range(_STEPS):
        alike = [place for place in range(len(clips)) if _clashes(clips, place, before)]
        if not alike:
            return True
        place = rng.choice(alike)
        best = min(partners[place], key=lambda other: (_cost(clips, place, other, before), rng.random()))
        clips[place], clips[best] = clips[best], clips[place]
    return False


def _cost(clips: list[int], place: int, other: int, before: int | None) -> int:
    """The neighbours that are alike after an exchange."""
    clips[place], clips[other] = clips[other], clips[place]
    cost = _clashes(clips, place, before) + _clashes(clips, other, before)
    clips[place], clips[other] = clips[other], clips[place]
    return cost + (place == other)


def _clashes(clips: Sequence[int], place: int, before: int | None) -> int:
    earlier = clips[place - 1] if place else before
    return (clips[place] == earlier) + (place + 1 < len(clips) and clips[place] == clips[place + 1])


def _interleaved(sets: Sequence[set[int]], rng: random.Random) -> tuple[list[int], list[int]]:
    """Offsets and clips in which each clip comes once in a round, in random order, but not twice in succession."""
    waiting = [_shuffled(sorted(one), rng) for one in sets]
    order, clips = [], []
    for _ in range(len(waiting[0])):
        round_ = _shuffled(range(len(sets)), rng)
        if clips and len(sets) > 1 and round_[0] == clips[-1]:
            round_ = [*round_[1:], round_[0]]
        clips += round_
        order += [waiting[clip].pop() for clip in round_]
    return order, clips


def _shuffled(values: Sequence[int], rng: random.Random) -> list[int]:
    return rng.sample(list(values), len(values))
