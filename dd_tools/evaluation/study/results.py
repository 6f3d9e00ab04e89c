"""The results that raters send, checked against the key of the study."""

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dd_tools.errors import DataError, reason
from dd_tools.evaluation.study.key import RATED, Key
from dd_tools.formats.strict_json import parse_object

FORMAT, VERSION = "dd-study result", 1
LARGEST = 2**53  # up to which JavaScript counts


@dataclass(frozen=True)
class Answer:
    """A rater's answer. item: its name in the key. plays: times the video was played. milliseconds: to think."""

    item: str
    answer: int
    plays: int
    milliseconds: int


@dataclass(frozen=True)
class Result:
    """One rater's answers, in the order of the session. started, finished: times as the browser wrote them.

    An item is missing if its video did not play.
    """

    study: str
    rater: str
    started: str
    finished: str
    answers: tuple[Answer, ...]

    @property
    def checksum(self) -> str:
        """CRC-32 of all values, as the page computes it. It shows changes by hand; it does not prevent forgery."""
        lines = [self.study, self.rater, self.started, self.finished]
        lines += [f"{one.item} {one.answer} {one.plays} {one.milliseconds}" for one in self.answers]
        return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"


@dataclass(frozen=True)
class Collection:
    """The usable results of a study, one per rater.

    faults: a line for each file, or each rater, that was left out. remarks: a line for each copy of a result, and for
    each rater who could not answer everything, because videos did not play.
    """

    results: Sequence[Result]
    faults: Sequence[str]
    remarks: Sequence[str]


def collect(paths: Sequence[Path], key: Key) -> Collection:
    """Read results. Files that are unreadable, edited or of another study are faults.

    So are several different results of one rater, as nobody knows which is right; copies of one result count once.
    """
    faults, remarks = [], []
    by_rater: dict[str, list[tuple[Path, Result]]] = defaultdict(list)
    for path in paths:
        try:
            result = read_result(path, key)
        except DataError as error:
            faults.append(str(error))
        else:
            by_rater[result.rater].append((path, result))
    kept = []
    for rater, own in by_rater.items():
        (first, result), *others = own
        if any(other != result for _, other in others):
            names = ", ".join(f"'{path}'" for path, _ in own)
            faults.append(f"cannot use {names}: different results of rater {rater}")
            continue
        kept.append(result)
        if missing := len(key.sessions[rater]) - len(result.answers):
            remarks.append(f"rater {rater} left out {missing} items, whose videos did not play")
        remarks += [f"'{path}' is the same result as '{first}' of rater {rater}" for path, _ in others]
    return Collection(kept, faults, remarks)


def read_result(path: Path, key: Key) -> Result:
    """Read the JSON file of one rater. Raises `DataError` if it is no result, of another study, or edited."""
    try:
        values = parse_object(path.read_bytes())
        if values.get("format") != FORMAT or values.get("version") != VERSION:
            raise ValueError(f"expected format '{FORMAT}', version {VERSION}")
        result, checksum = _parsed(values), _text(values, "checksum")
        computed = result.checksum
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    except ValueError as error:
        raise DataError(
            f"cannot read '{path}': not the JSON result of a rater ({error}); ask the rater to save it again"
        ) from None
    if result.study != key.study:
        raise DataError(f"cannot use '{path}': result of another study ('{result.study}', the key's is '{key.study}')")
    for fault in _edits(result, key):
        raise DataError(f"cannot use '{path}': it was edited: {fault}")
    if checksum != computed:
        raise DataError(f"cannot use '{path}': it was edited: its checksum is wrong")
    if not any(key.items[one.item].role == RATED for one in result.answers):
        raise DataError(f"cannot use '{path}': rater {result.rater} answered no item that is scored")
    return result


def _parsed(values: dict) -> Result:
    """The result in a JSON object. Raises `ValueError`."""
    answers = values.get("answers")
    if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
        raise ValueError("'answers' is no list of objects")
    return Result(
        *(_text(values, name) for name in ("study", "rater", "started", "finished")),
        tuple(
            Answer(_text(one, "item"), *(_number(one, name) for name in ("answer", "plays", "milliseconds")))
            for one in answers
        ),
    )


def _text(values: dict, name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise ValueError(f"'{name}' is no text")
    return value


def _number(values: dict, name: str) -> int:
    value = values.get(name)
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise ValueError(f"'{name}' is no whole number from 0 to 2^53")
    return value


def _edits(result: Result, key: Key) -> Iterator[str]:
    """What the page cannot have written, apart from the checksum."""
    if result.rater not in key.sessions:
        yield f"the study has no rater '{result.rater}'"
        return
    session = iter(key.sessions[result.rater])
    if not all(one.item in session for one in result.answers):  # each further on than the one before
        yield f"its items are not those of rater {result.rater}"
    for position, one in enumerate(result.answers, start=1):
        if one.answer not in key.answers or one.plays < 1:
            yield f"answer {position} is {one.answer} after {one.plays} plays"
