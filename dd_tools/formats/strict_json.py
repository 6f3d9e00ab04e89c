"""JSON from files that strangers may have made: one value for every name, finite numbers, and no deep nesting."""

import json
from typing import NoReturn

MAX_DEPTH = 32  # of lists and objects inside each other; what this program writes needs five


def parse_json(text: str | bytes) -> object:
    """The value of a JSON text.

    Raises `ValueError`, with one line on the reason, for anything but JSON, for a name that occurs twice in one object,
    for NaN and infinite numbers, and for lists and objects nested deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check(value, MAX_DEPTH)
    return value


def parse_object(text: str | bytes) -> dict:
    """The value of a JSON text that is an object. Raises `ValueError` as `parse_json` does, and for any other value."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}")


def _object(pairs: list[tuple[str, object]]) -> dict:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return values


def _check(value: object, depth: int) -> None:
    if isinstance(value, float) and value - value != 0:  # 1e999 is a JSON number, and infinite
        raise ValueError("it holds an infinite number")
    if isinstance(value, dict | list):
        if depth == 0:
            raise ValueError("nested too deeply")
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, depth - 1)
