"""Work lists of dd-dub: a table with a row for every video, and options of its own in further columns."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dd_tools.cli.files import is_up_to_date
from dd_tools.cli.prep import parse_point
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError, message_of, reason
from dd_tools.formats.lists import read_lines
from dd_tools.media.piped import as_file
from dd_tools.pipeline.dub import Dubber, DubSettings

PATHS = ("video", "audio", "output")
DONE, SKIPPED, FAILED, STOPPED = "done", "skipped", "failed", "stopped"


def _number(kind: type, low: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not value >= low:
            raise ValueError(f"{text} is below {low}")
        return value

    return parse


def _flag(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"'{text}' is neither yes nor no")
    return text == "yes"


# Options of one video by column: field of `DubSettings` or `OutputSettings`, and how its text is read.
_OWN = {
    "references": ("references", _number(int, 1)),
    "expression": ("expression", _number(float, 0)),
    "adapt": ("adapt_minutes", _number(float, 0)),
    "face": ("face", str),
    "at": ("at", parse_point),
    "deinterlace": ("deinterlace", _flag),
    "steps": ("steps", _number(int, 1)),
    "solver": ("solver", str),
    "seed": ("seed", int),
}
_OUTPUT = {
    "loop": ("loop", str),
    "tail": ("tail", str),
    "crop-only": ("crop_only", _flag),
    "codec": ("codec", str),
    "quality": ("quality", _number(int, 0)),
    "pixel-format": ("pixel_format", str),
    "lossless": ("lossless", _flag),
    "audio-channel": ("audio_channel", _number(int, 1)),
}


@dataclass(frozen=True)
class Item:
    """A video to dub. line: its number in the list, from 1."""

    line: int
    video: Path
    audio: Path
    output: Path
    settings: DubSettings


def read_items(path: Path, defaults: DubSettings) -> list[Item]:
    """The items of a work list: tab-separated columns with their names in the first line, paths relative to its folder.

    Empty cells stand for `defaults`, empty lines are skipped. Raises `DataError` if the list cannot be read, for
    unknown columns and values, and if two items have the same output.
    """
    lines = read_lines(path)
    columns = lines[0].split("\t") if lines else []
    if missing := [name for name in PATHS if name not in columns]:
        raise DataError(f"cannot use '{path}': no column {', '.join(missing)} in its first line")
    if unknown := [name for name in columns if name not in (*PATHS, *_OWN, *_OUTPUT)]:
        raise DataError(f"cannot use '{path}': unknown column '{unknown[0]}', expected {', '.join((*_OWN, *_OUTPUT))}")
    items, first = [], {}
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            item = _item(number, dict(zip(columns, line.split("\t"), strict=True)), path.parent, defaults)
        except (UsageError, ValueError) as error:
            raise DataError(f"cannot use '{path}': line {number}: {error}") from None
        if (other := first.setdefault(item.output.resolve(), number)) != number:
            raise DataError(f"cannot use '{path}': lines {other} and {number} have the same output")
        items.append(item)
    if not items:
        raise DataError(f"cannot use '{path}': no videos")
    return items


def _item(number: int, row: dict[str, str], folder: Path, defaults: DubSettings) -> Item:
    if empty := [name for name in PATHS if not row[name]]:
        raise ValueError(f"{empty[0]} is empty")
    given = {name: value for name, value in row.items() if value and name not in PATHS}
    own, output = (
        {table[name][0]: _parsed(name, value, table[name][1]) for name, value in given.items() if name in table}
        for table in (_OWN, _OUTPUT)
    )
    paths = (folder / row[name] for name in PATHS)
    return Item(number, *paths, replace(defaults, **own, output=replace(defaults.output, **output)))


def _parsed(name: str, text: str, parse: Callable[[str], object]) -> object:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


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
        self._write("")

    @contextmanager
    def record(self, item: Item) -> Iterator[dict]:
        """Time the block and record how it ends. What it puts into the dictionary is recorded, such as a status."""
        entry = {"line": item.line, **{name: str(getattr(item, name)) for name in PATHS}, "status": DONE}
        start = time.monotonic()
        try:
            yield entry
        except (DataError, UsageError, OSError) as error:
            entry |= {"status": FAILED, "error": message_of(error)}
            raise
        except BaseException:
            entry["status"] = STOPPED
            raise
        finally:
            entry["seconds"] = round(time.monotonic() - start, 3)
            self._write(json.dumps(entry) + "\n")

    def _write(self, text: str) -> None:
        if self._path is None:
            return
        try:
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise DataError(f"cannot write '{self._path}': {reason(error)}") from None


def dub_list(
    session: Session, items: Sequence[Item], dubber: Dubber, weights: list[Path], log: Path | None, *, resume: bool
) -> None:
    """Dub all items, past those that fail. resume: skip those whose output is newer than its inputs and `weights`.

    Raises `DataError` with the lines of those that failed.
    """
    item_log, failed = ItemLog(log), []
    for item in items:
        session.say(f"line {item.line}: '{item.output}'")
        try:
            with item_log.record(item) as entry, as_file(item.audio) as audio:
                if resume and is_up_to_date(item.output, item.video, item.audio, *weights):
                    entry["status"] = SKIPPED
                    session.say(f"'{item.output}' is up to date")
                else:
                    dubber.dub(item.video, audio, item.output, item.settings, resume=resume, report=session)
        except (DataError, UsageError, OSError) as error:
            failed.append(item.line)
            session.fail(f"line {item.line}: {message_of(error)}")
    if failed:
        lines = ", ".join(map(str, failed))
        raise DataError(f"{len(failed)} of {len(items)} videos failed: line{'s' * (len(failed) > 1)} {lines}")
