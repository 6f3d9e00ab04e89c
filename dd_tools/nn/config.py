"""Configurations of networks: plain values that a checkpoint stores and rebuilds the network from."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from dd_tools.errors import DataError, UsageError

LARGEST = 1 << 14  # integer in a configuration, far beyond what any network here can use
LONGEST = 16  # list in a configuration

_NAMES = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class Config:
    """Base of all configurations: checks the values, and converts them to and from JSON.

    Lists become tuples. Raises `UsageError` for an integer that is not from 1 to `LARGEST`, for a list of more than
    `LONGEST` items and for a dropout outside [0, 1).
    """

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
            if field.type is int or isinstance(value, list | tuple):
                _check_integers(field.name.replace("_", " "), [value] if field.type is int else value)
            if field.name == "dropout" and not 0 <= value < 1:
                raise UsageError(f"dropout must be from 0 to below 1, got {value}")

    def to_json(self) -> dict:
        """The values as JSON types, for the metadata of a checkpoint."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict):
        """The inverse of `to_json`.

        Raises `DataError` unless there is exactly one value of the right type for every field, and `UsageError` for a
        value that no network can have.
        """
        types = {field.name: field.type for field in fields(cls)}
        for what, names in (("unknown", set(values) - set(types)), ("missing", set(types) - set(values))):
            if names:
                raise DataError(f"{what} settings in the model's configuration: {', '.join(sorted(names))}")
        for name, value in values.items():
            _check_type(name, value, types[name])
        return cls(**values)


def _check_integers(name: str, values: Sequence[int]) -> None:
    if len(values) > LONGEST:
        raise UsageError(f"{name} must have at most {LONGEST} items, got {len(values)}")
    if low := [value for value in values if value < 1]:
        raise UsageError(f"{name} must be at least 1, got {low[0]}")
    if high := [value for value in values if value > LARGEST]:
        raise UsageError(f"{name} must be at most {LARGEST}, got {high[0]}")


def _check_type(name: str, value: object, kind: type) -> None:
    """Raise `DataError` unless a JSON value can be a field of type `kind`, one of `_NAMES` or a tuple of integers."""
    if kind not in _NAMES:
        is_right = isinstance(value, list) and all(type(one) is int for one in value)
    elif kind is float:
        is_right = type(value) in (int, float) and math.isfinite(value)
    else:
        is_right = type(value) is kind
    if not is_right:
        raise DataError(
            f"{name} in the model's configuration is {value!r:.40}, expected {_NAMES.get(kind, 'integers')}"
        )
