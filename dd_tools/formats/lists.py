"""Lists of names in text files."""

import codecs
import os
from pathlib import Path

from dd_tools.errors import DataError, reason


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file. Names in it may have bytes that are not UTF-8, as Python has them in its paths.

    Only line feeds, also after carriage returns, end a line, as other line breaks of Unicode may be part of a name. A
    byte-order mark is left out. Raises `DataError` if the file cannot be read or is not text.
    """
    try:
        content = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    if b"\0" in content:
        raise DataError(f"cannot read '{path}': not a text file")
    lines = os.fsdecode(content).removesuffix("\n").split("\n") if content else []
    return [line.removesuffix("\r") for line in lines]
