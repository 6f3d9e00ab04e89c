"""Configurations of networks: plain values that a checkpoint stores and rebuilds the network from."""

from dataclasses import asdict, dataclass, fields

from dd_tools.errors import DataError, UsageError


@dataclass(frozen=True)
class Config:
    """Base of all configurations: checks the values, and converts them to and from JSON.

    Lists become tuples. Raises `UsageError` for an integer below 1 and for a dropout outside [0, 1).
    """

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
            if field.type is int and value < 1:
                raise UsageError(f"{field.name.replace('_', ' ')} must be at least 1, got {value}")
            if field.name == "dropout" and not 0 <= value < 1:
                raise UsageError(f"dropout must be from 0 to below 1, got {value}")

    def to_json(self) -> dict:
        """The values as JSON types, for the metadata of a checkpoint."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict):
        """The inverse of `to_json`. Raises `DataError` for a name that is not a field, `UsageError` for a bad value."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise DataError(f"unknown settings in the model's configuration: {', '.join(unknown)}")
        return cls(**values)
