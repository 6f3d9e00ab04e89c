"""The two ways a user's request can fail; anything else is a defect of ours and keeps its traceback."""


class DataError(Exception):
    """Data that cannot be used, or a failure at run time (exit status 1).

    The message is one line: what is wrong, the file in single quotes, what was found and what to do about it;
    lower case at the start, no full stop at the end.
    """


class UsageError(Exception):
    """Options that make no sense together or by themselves (exit status 2). Same wording rules as `DataError`."""
