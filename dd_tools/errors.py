"""Errors that the user can fix. The commands print them as one line; any other exception is a bug, with a traceback.

A message is one line: the problem first, then what was found and what to do about it. It starts in lower case, quotes
the file or value in single quotes, and has no full stop.
"""

import os


class DataError(Exception):
    """Unusable data, or a failure at run time. Commands exit with status 1."""


class UsageError(Exception):
    """Invalid or contradictory options. Commands exit with status 2."""


def first_line(error: Exception) -> str:
    """What another package's error says, shortened to its first line; its class if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def reason(error: OSError) -> str:
    """What the operating system says, such as ``no space left on device``, without the name of the file."""
    return error.strerror.lower() if error.strerror else first_line(error)


def message_of(error: Exception) -> str:
    """The message of an error that the user can fix, with the name of the file if the operating system knows it."""
    if not isinstance(error, OSError):
        return str(error)
    return reason(error) if error.filename is None else f"'{os.fsdecode(error.filename)}': {reason(error)}"
