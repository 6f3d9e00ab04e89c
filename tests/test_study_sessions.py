"""Sessions of a study: balance over raters, what may not be next to each other, and the same sessions from one seed."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.evaluation.study.design import Design, williams_row
from dd_tools.evaluation.study.key import (
    ANCHOR,
    MODES,
    PREFERENCE,
    RATED,
    RATING,
    REPEAT,
    TRAINING,
    TRAP,
    TRUTH,
    Item,
    Key,
)
from dd_tools.evaluation.study.sessions import REPEATS, Section, make_key

SYSTEMS = ("a", "b", "c", "d", "e", TRUTH)


def section(scenario: str = "MF", clips: int = 5, systems: tuple[str, ...] = SYSTEMS) -> Section:
    return Section(scenario, tuple(f"clip{number}" for number in range(clips)), systems)


def key(*sections: Section, mode: str = RATING, raters: int = 12, per_clip: int | None = None, seed: int = 0) -> Key:
    return make_key("s", sections or [section()], mode, raters, per_clip, random.Random(seed))


def sessions(study: Key) -> list[list[Item]]:
    return [[study.items[name] for name in names] for names in study.sessions.values()]


def shown(items: list[Item], role: str) -> list[Item]:
    return [item for item in items if item.role == role]


plans = st.fixed_dictionaries({
    "clips": st.integers(1, 6), "systems": st.integers(2, 6), "scenarios": st.integers(1, 4),
    "mode": st.sampled_from(MODES), "raters": st.integers(1, 13), "per_clip": st.none() | st.integers(1, 7),
    "seed": st.integers(0, 9),
})  # fmt: skip


def planned(plan: dict) -> Key:
    names = ("MF", "RI", "N", "CL")[: plan["scenarios"]]
    sections = [section(name, plan["clips"], SYSTEMS[-plan["systems"] :]) for name in names]
    return key(*sections, **{name: plan[name] for name in ("mode", "raters", "per_clip", "seed")})


@settings(max_examples=60, deadline=None)
@given(plans)
def test_every_session_keeps_the_rules(plan):
    study = planned(plan)
    assert len(study.sessions) == plan["raters"]
    for items, names in zip(sessions(study), study.sessions.values(), strict=True):
        assert len(set(names)) == len(names)
        assert [item.role == TRAINING for item in items] == sorted(item.role == TRAINING for item in items)[::-1]
        rated = shown(items, RATED)
        assert len(set(rated)) == len(rated)
        order = [item.scenario for item in items]
        assert len([1 for one, other in pairwise(order) if one != other]) == plan["scenarios"] - 1
        if plan["clips"] > 1:
            assert not [
                one for one, other in pairwise(rated) if one.clip == other.clip and one.scenario == other.scenario
            ]


@settings(max_examples=60, deadline=None)
@given(plans)
def test_repeats_come_later_and_never_next_to_the_first_showing(plan):
    for items in sessions(planned(plan)):
        assert len(shown(items, REPEAT)) <= min(REPEATS, len(shown(items, RATED)) // 4)
        without_traps = [item for item in items if item.role != TRAP]
        for place, item in enumerate(without_traps):
            if item.role == REPEAT:
                first = Item(RATED, item.scenario, item.clip, item.systems[::-1])
                assert without_traps.index(first) + 2 <= place
                if plan["clips"] > 1:
                    neighbours = without_traps[place - 1 : place] + without_traps[place + 1 : place + 2]
                    assert item.clip not in [one.clip for one in neighbours if one.scenario == item.scenario]


@settings(max_examples=30, deadline=None)
@given(plans)
def test_one_seed_gives_one_study_and_another_seed_another(plan):
    assert planned(plan) == planned(plan)
    assert planned(plan).items.keys() != planned(plan | {"seed": plan["seed"] + 1}).items.keys()


@pytest.mark.parametrize("count", range(2, 10))
def test_rows_of_williams_put_everything_after_everything_else_equally_often(count):
    row = williams_row(count)
    shifted = [[(number + shift) % count for number in one] for one in (row, row[::-1]) for shift in range(count)]
    for place in range(count):
        assert set(Counter(one[place] for one in shifted).values()) == {2}
    after = Counter(pair for one in shifted for pair in pairwise(one))
    assert set(after.values()) == {2} and len(after) == count * (count - 1)
    if count % 2 == 0:
        assert set(Counter(pair for one in shifted[:count] for pair in pairwise(one)).values()) == {1}


@pytest.mark.parametrize(
    ("units", "clips", "per_clip"), [(6, 5, 6), (7, 5, 7), (7, 3, 4), (6, 2, 6), (5, 2, 5), (4, 1, 4), (10, 5, 3)]
)
def test_over_two_groups_of_raters_places_and_clips_are_balanced_exactly(units, clips, per_clip):
    design = Design(units, clips, per_clip, 2 * units, random.Random(3))
    showings = [design.showings(rater) for rater in range(2 * units)]
    for place in range(clips * per_clip):
        assert set(Counter(own[place][0] for own in showings).values()) == {2}
    assert set(Counter(one for own in showings for one in own).values()) == {2 * per_clip}
    for own in showings:
        times = Counter(unit for unit, _ in own)
        assert max(times.values()) - min(times[unit] for unit in range(units)) <= 1


@pytest.mark.parametrize(("units", "clips"), [(6, 5), (7, 5), (7, 2), (6, 2), (3, 4)])
def test_over_two_groups_every_unit_follows_every_other_equally_often_in_its_rows(units, clips):
    design = Design(units, clips, units, 2 * units, random.Random(1))
    after = Counter()
    for rater in range(2 * units):
        own = [unit for unit, _ in design.showings(rater)]
        for start in range(0, len(own), units):
            assert len(set(own[start : start + units])) == units
            after.update(pairwise(own[start : start + units]))
    assert set(after.values()) == {2 * clips} and len(after) == units * (units - 1)


def test_clips_differ_in_order_between_raters():
    design = Design(6, 5, 6, 6, random.Random(0))
    assert len({tuple(clip for _, clip in design.showings(rater)) for rater in range(6)}) == 6


def test_the_paper_s_study_has_repeats_traps_training_truth_and_anchor():
    study = key(*(section(name) for name in ("MF", "RI", "N")), section("CL", systems=SYSTEMS[:-1]))
    for items in sessions(study):
        assert len(shown(items, RATED)) == 3 * 5 * 7 + 5 * 6
        assert len(shown(items, REPEAT)) == REPEATS
        assert len({item.answer for item in shown(items, TRAP)}) == 4
        assert [item.role for item in items[:2]] == [TRAINING] * 2
        assert items[1].systems == (ANCHOR,) and items[0].clip != items[1].clip
        assert items[0].systems == ((TRUTH,) if items[0].scenario != "CL" else items[0].systems)
        assert TRAP not in [item.role for item in items[:4]]
        clips = [item.clip for item in items if item.role != TRAP]
        assert all(one != other for one, other in pairwise(clips))
    first = Counter(items[0].scenario for items in sessions(study))
    assert set(first.values()) == {3}


def test_preferences_are_balanced_between_left_and_right():
    study = key(mode=PREFERENCE, raters=30)
    sides = Counter(item.systems for items in sessions(study) for item in shown(items, RATED))
    assert len(sides) == 30 and set(sides.values()) == {5 * 30 // 2}
    for items in sessions(study):
        assert len(shown(items, RATED)) == 5 * 15
        assert Counter(item.answer for item in shown(items, TRAP)) == {1: 4, 2: 4}
        for item in shown(items, REPEAT):
            assert Item(RATED, item.scenario, item.clip, item.systems[::-1]) in items
        assert not [item for item in items if ANCHOR in item.systems]


def test_with_fewer_systems_per_clip_every_rater_sees_that_many():
    study = key(per_clip=3, raters=14)
    times = Counter((item.clip, item.systems) for items in sessions(study) for item in shown(items, RATED))
    assert set(times.values()) == {14 * 3 // 7}
    for items in sessions(study):
        assert set(Counter(item.clip for item in shown(items, RATED)).values()) == {3}
