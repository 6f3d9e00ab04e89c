"""The plan of a study: a table of the videos, with the columns system, clip, scenario and video."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dd_tools.errors import DataError, UsageError, message_of
from dd_tools.evaluation.study.key import ANCHOR, PREFERENCE, TRUTH
from dd_tools.evaluation.study.scenarios import SCENARIOS
from dd_tools.evaluation.study.sessions import Section
from dd_tools.evaluation.study.videos import Source, inspect
from dd_tools.formats.lists import read_lines

COLUMNS = ("system", "clip", "scenario", "video")
_SAME_FRAMES, _SAME_SECONDS = 1.5, 0.5  # longer differences in duration are mentioned, and refused

Place = tuple[str, str, str]  # scenario, clip, system


@dataclass(frozen=True)
class Plan:
    """The videos of a study. videos: by scenario, clip and system."""

    path: Path
    videos: Mapping[Place, Source]

    @cached_property
    def sections(self) -> list[Section]:
        """The scenarios in the order of `SCENARIOS`, with their clips and systems in alphabetical order."""
        return [
            Section(scenario, self._names(1, scenario), self._names(2, scenario))
            for scenario in SCENARIOS
            if self._names(1, scenario)
        ]

    def _names(self, part: int, scenario: str) -> tuple[str, ...]:
        return tuple(sorted({place[part] for place in self.videos if place[0] == scenario}))


@dataclass
class _Table:
    """What has been read so far. lines: of `videos`. faults: (line, or 0 for the whole plan; message)."""

    folder: Path
    videos: dict[Place, Source] = field(default_factory=dict)
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    seen: dict[Path, Source] = field(default_factory=dict)


def read_plan(path: Path, mode: str, fail: Callable[[str], None]) -> Plan:
    """Read a plan and look into its videos, whose paths are relative to its folder; empty lines are skipped.

    fail: receives a message about every fault but the last, which raises `DataError`; so does a plan that cannot be
    read or is empty.
    """
    header, *lines = read_lines(path) or [""]
    columns = _columns(path, header)
    table = _Table(path.parent)
    for number, line in enumerate(lines, start=2):
        if line.strip():
            _add_line(table, number, columns, line.split("\t"))
    plan = Plan(path, table.videos)
    faults = [fault if line == 0 else f"line {line}: {fault}" for line, fault in table.faults]
    if not faults:  # a video that cannot be used is missing everywhere else too
        faults = _missing(plan) + _too_different(plan) + (_pairless(plan) if mode == PREFERENCE else [])
    if not plan.videos and not faults:
        faults = ["no videos"]
    if faults:
        *others, last = (f"cannot use '{path}': {fault}" for fault in faults)
        for message in others:
            fail(message)
        raise DataError(last)
    return plan


def _columns(path: Path, header: str) -> list[str]:
    """The names of the columns. Raises `DataError` if one is missing, unknown or there twice."""
    columns = header.rstrip("\t").split("\t")
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise DataError(f"cannot use '{path}': line 1: no column {', '.join(missing)}")
    if sorted(columns) != sorted(COLUMNS):
        raise DataError(f"cannot use '{path}': line 1: expected the columns {', '.join(COLUMNS)}, each once")
    return columns


def _add_line(table: _Table, number: int, columns: Sequence[str], cells: Sequence[str]) -> None:
    try:
        system, clip, scenarios, source = _cells(table, columns, cells)
    except (DataError, UsageError, OSError) as error:
        table.faults.append((number, message_of(error)))
        return
    for scenario in scenarios:
        place = scenario, clip, system
        other = table.lines.setdefault(place, number)
        if table.videos.setdefault(place, source).digest != source.digest:
            fault = f"system '{system}' has another video of clip '{clip}' in {scenario} in line {other}"
            table.faults.append((number, f"{fault}; give two systems two names"))


def _cells(table: _Table, columns: Sequence[str], cells: Sequence[str]) -> tuple[str, str, list[str], Source]:
    """System, clip, scenarios and video of a line. Raises `UsageError` for bad cells, `DataError` for a bad video."""
    if any(cells[len(columns) :]):
        raise UsageError(f"{len(cells)} cells, expected {len(columns)}, as many as columns")
    row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
    if empty := [name for name in COLUMNS if not row.get(name)]:
        raise UsageError(f"{empty[0]} is empty")
    _check_name(row["system"])
    scenarios = [name.strip() for name in row["scenario"].split(",")]
    if unknown := [name for name in scenarios if name not in SCENARIOS]:
        raise UsageError(f"unknown scenario '{unknown[0]}', expected {', '.join(SCENARIOS)}")
    path = table.folder / row["video"]
    if path not in table.seen:
        table.seen[path] = inspect(path)
    return row["system"], row["clip"], scenarios, table.seen[path]


def _check_name(system: str) -> None:
    """Raise `UsageError` for a system that would be taken for another in the scores."""
    if system.casefold() == ANCHOR:
        raise UsageError(f"a system cannot have the name '{system}', which the low anchor has; rename it")
    if system.casefold() == TRUTH != system:
        raise UsageError(f"a system cannot have the name '{system}'; '{TRUTH}' is the hidden reference")


def _missing(plan: Plan) -> list[str]:
    """The clips that a system lacks in a scenario though another has them."""
    return [
        f"system '{system}' has no video of clip '{clip}' in {section.scenario}, as others have"
        for section in plan.sections
        for clip in section.clips
        for system in section.systems
        if (section.scenario, clip, system) not in plan.videos
    ]


def _pairless(plan: Plan) -> list[str]:
    return [
        f"only one system in {section.scenario}, but a preference compares two"
        for section in plan.sections
        if len(section.systems) < 2
    ]


def _too_different(plan: Plan) -> list[str]:
    lines = (
        f"the videos of clip '{clip}' last {low:.2f} to {high:.2f} s; cut them alike"
        for clip, low, high, _ in _durations(plan)
        if high - low > _SAME_SECONDS
    )
    return list(dict.fromkeys(lines))


def remarks(plan: Plan) -> list[str]:
    """Lines on a missing reference, on what may tell raters which system they see, and on what is encoded again."""
    kinds = (_no_truth, _durations_that_differ, _sizes_that_differ, _identical, _encoded_again)
    lines = (line for kind in kinds for line in kind(plan))
    return list(dict.fromkeys(lines))  # once, also if several scenarios have the videos


def _no_truth(plan: Plan) -> Iterator[str]:
    if not any(TRUTH in section.systems for section in plan.sections):
        yield f"no system is called '{TRUTH}', so the study has no hidden reference"


def _durations_that_differ(plan: Plan) -> Iterator[str]:
    for clip, low, high, frame in _durations(plan):
        if high - low > _SAME_FRAMES * frame:
            yield f"the videos of clip '{clip}' last {low:.2f} to {high:.2f} s, by which raters may tell systems"


def _sizes_that_differ(plan: Plan) -> Iterator[str]:
    for clip, sources in _by_clip(plan):
        sizes = sorted({(source.info.width, source.info.height) for source in sources})
        if len(sizes) > 1:
            words = ", ".join(f"{width}x{height}" for width, height in sizes)
            yield f"the videos of clip '{clip}' differ in size ({words}), by which raters may tell systems"


def _identical(plan: Plan) -> Iterator[str]:
    first: dict[tuple[str, str, str], str] = {}
    for (scenario, clip, system), source in plan.videos.items():
        other = first.setdefault((scenario, clip, source.digest), system)
        if other != system:
            yield f"systems '{other}' and '{system}' have the same video of clip '{clip}'"


def _encoded_again(plan: Plan) -> Iterator[str]:
    for source in plan.videos.values():
        if not source.is_copied:
            found = f"{source.info.codec} {source.info.pixel_format}"
            takes = "the study's MP4 takes H.264 (8-bit 4:2:0) and AAC"
            yield f"'{source.info.path}' ({found}) is encoded again, as {takes}"


def _durations(plan: Plan) -> Iterator[tuple[str, float, float, float]]:
    """Clip, shortest and longest duration, longest frame, in seconds."""
    for clip, sources in _by_clip(plan):
        seconds = [source.seconds for source in sources]
        yield clip, min(seconds), max(seconds), max(source.frame_seconds for source in sources)


def _by_clip(plan: Plan) -> Iterator[tuple[str, list[Source]]]:
    """Clips with their videos, in every scenario anew."""
    for section in plan.sections:
        for clip in section.clips:
            places = ((section.scenario, clip, system) for system in section.systems)
            yield clip, [plan.videos[place] for place in places if place in plan.videos]
