"""Work lists of dd-dub: a table with a row for every video, and options of its own in further columns."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dd_tools.cli.command import parse_options
from dd_tools.cli.dub_options import DubOptions
from dd_tools.cli.files import is_up_to_date
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError, message_of, reason
from dd_tools.formats.lists import read_lines
from dd_tools.media.piped import as_file
from dd_tools.pipeline.dub import Dubber
from dd_tools.pipeline.dub_settings import DubSettings

PATHS = ("video", "audio", "output")
DONE, SKIPPED, FAILED, STOPPED = "done", "skipped", "failed", "stopped"


@dataclass(frozen=True)
class Item:
    """A video to dub. line: its number in the list, from 1."""

    line: int
    video: Path
    audio: Path
    output: Path
    settings: DubSettings


def read_items(path: Path, defaults: DubOptions, fail: Callable[[str], None]) -> list[Item]:
    """The items of a work list: tab-separated columns with their names in the first line, paths relative to its folder.

    The other columns are options as on a command line, by default those of `defaults`. Empty cells count as missing, so
    empty lines are skipped, and tabs at the end of a line mean nothing. fail: receives a message about every bad line
    but the last, which raises `DataError`; so does a list that cannot be read.
    """
    header, *lines = read_lines(path) or [""]
    columns = _columns(path, header, defaults)
    items, faults = [], {}
    for number, line in enumerate(lines, start=2):
        if cells := _cells(line):
            try:
                items.append(_item(number, columns, cells, path.parent, defaults))
            except UsageError as error:
                faults[number] = str(error)
    faults |= _clashes(items)
    if faults:
        *others, last = (f"cannot use '{path}': line {number}: {fault}" for number, fault in sorted(faults.items()))
        for message in others:
            fail(message)
        raise DataError(last)
    if not items:
        raise DataError(f"cannot use '{path}': no videos")
    return items


def _cells(line: str) -> list[str]:
    """The cells of a line up to the last that is not empty."""
    return line.rstrip("\t").split("\t") if line.strip("\t") else []


def _columns(path: Path, header: str, defaults: DubOptions) -> list[str]:
    """The names of the columns. Raises `DataError` if one is missing, unknown or there twice."""
    columns, options = _cells(header), [name.replace("_", "-") for name in vars(defaults)]
    if missing := [name for name in PATHS if name not in columns]:
        fault = f"no column {', '.join(missing)}"
    elif unknown := [name for name in columns if name not in (*PATHS, *options)]:
        fault = f"unknown column '{unknown[0]}', expected options of one video: {', '.join(options)}"
    elif double := [name for name in columns if columns.count(name) > 1]:
        fault = f"two columns '{double[0]}'"
    else:
        return columns
    raise DataError(f"cannot use '{path}': line 1: {fault}")


def _item(number: int, columns: Sequence[str], cells: Sequence[str], folder: Path, defaults: DubOptions) -> Item:
    """The item of a line. Raises `UsageError` for missing paths, and as `_options` does."""
    if len(cells) > len(columns):
        raise UsageError(f"{len(cells)} cells, expected {len(columns)}, as many as columns")
    row = {name: text for name, text in zip(columns, cells, strict=False) if text}
    if missing := [name for name in PATHS if name not in row]:
        raise UsageError(f"{missing[0]} is empty")
    video, audio, output = (folder / row.pop(name) for name in PATHS)
    return Item(number, video, audio, output, _options(row, defaults).dub_settings())


def _options(row: Mapping[str, str], defaults: DubOptions) -> DubOptions:
    """The options of a row. Raises `UsageError` for values that they cannot have."""
    flags, arguments = {}, []
    for name, text in row.items():
        field = name.replace("-", "_")
        if not isinstance(getattr(defaults, field), bool):
            arguments.append(f"--{name}={text}")
        elif text in ("yes", "no"):
            flags[field] = text == "yes"
        else:
            raise UsageError(f"invalid value for '--{name}': '{text}' is neither yes nor no")
    return parse_options(arguments, replace(defaults, **flags))


def _clashes(items: Sequence[Item]) -> dict[int, str]:
    """Faults by line: outputs that other lines have, or that would overwrite an input of any line."""
    faults, first = {}, {}
    inputs = {os.path.realpath(path) for item in items for path in (item.video, item.audio)}
    for item in items:
        output = os.path.realpath(item.output)
        if (other := first.setdefault(output, item.line)) != item.line:
            faults[item.line] = f"'{item.output}' is the output of line {other} too"
        elif output in inputs:
            faults[item.line] = f"'{item.output}' is both input and output"
    return faults


def shard_of(items: Sequence[Item], shard: str | None) -> Sequence[Item]:
    """The items of a shard ``I/N``: every N-th from number I, from 1. Raises `UsageError` for another text."""
    if shard is None:
        return items
    number, slash, count = shard.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"shard must be I/N with I from 1 to N, got '{shard}'")
    return items[int(number) - 1 :: int(count)]


class ItemLog:
    """Appends a JSON object per item to a file, in one write, so that several processes can share it.

    path: None for no log. Raises `DataError` if it cannot be written.
    """

    def __init__(self, path: Path | None):
        self._path = path
        self._append("")

    @contextmanager
    def record(self, item: Item) -> Iterator[dict]:
        """Time the block and record how it ends. What it puts into the dictionary is recorded, such as a status.

        An exception passes through as it is, also if it cannot be recorded.
        """
        entry = {"line": item.line, **{name: str(getattr(item, name)) for name in PATHS}, "status": DONE}
        start = time.monotonic()
        try:
            yield entry
        except BaseException:
            with suppress(DataError):
                self._append_entry(entry | {"status": STOPPED}, start)
            raise
        self._append_entry(entry, start)

    def _append_entry(self, entry: dict, start: float) -> None:
        self._append(json.dumps(entry | {"seconds": round(time.monotonic() - start, 3)}) + "\n")

    def _append(self, text: str) -> None:
        if self._path is None:
            return
        content = text.encode()
        try:
            with open(self._path, "ab", buffering=0) as stream:  # one call of write(2), which others do not interrupt
                written = stream.write(content)
        except OSError as error:
            raise DataError(f"cannot write '{self._path}': {reason(error)}") from None
        if written != len(content):
            raise DataError(f"cannot write '{self._path}': no space left for the end of a line")


def dub_list(
    session: Session, items: Sequence[Item], dubber: Dubber, weights: list[Path], log: Path | None, *, resume: bool
) -> None:
    """Dub all items, past those that fail. resume: skip those whose output is newer than its inputs and `weights`.

    Raises `DataError` with the lines of those that failed, and at once if the log cannot be written.
    """
    item_log, failed = ItemLog(log), []
    for item in items:
        session.say(f"line {item.line}: '{item.output}'")
        with item_log.record(item) as entry:
            try:
                entry["status"] = _dub_item(session, item, dubber, weights, resume)
            except (DataError, UsageError, OSError) as error:
                entry |= {"status": FAILED, "error": message_of(error)}
                failed.append(item.line)
                session.fail(f"line {item.line}: {message_of(error)}")
    if failed:
        lines = ", ".join(map(str, failed))
        raise DataError(f"{len(failed)} of {len(items)} videos failed: line{'s' * (len(failed) > 1)} {lines}")


def _dub_item(session: Session, item: Item, dubber: Dubber, weights: list[Path], resume: bool) -> str:
    """Dub a video, unless its output is up to date. Returns what became of it."""
    with as_file(item.audio) as audio:
        if resume and is_up_to_date(item.output, item.video, item.audio, *weights):
            session.say(f"'{item.output}' is up to date")
            return SKIPPED
        dubber.dub(item.video, audio, item.output, item.settings, resume=resume, report=session)
    return DONE
