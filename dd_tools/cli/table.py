"""Tables on standard output."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 1000  # characters; a table in a file or pipe is not split to fit a terminal

Rows = Sequence[list[str]]


def print_table(header: list[str], sections: Sequence[Rows], after: Sequence[str] = ()) -> None:
    """Print rows of cells under a header, and lines of text `after` them. sections: rows that belong together."""
    from rich import box
    from rich.table import Table

    console = _console()
    for columns in columns_that_fit([header, *(row for section in sections for row in section)], console.width):
        shown = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            shown.add_column(header[column], justify="right" if column else "left", no_wrap=column > 0)
        for section in sections:
            for row in section:
                shown.add_row(*(row[column] for column in columns))
            if len(section) > 1:
                shown.add_section()
        console.print(shown)
    for line in after:
        console.print(line, soft_wrap=True)


def _console() -> "Console":
    from rich.console import Console

    # Brackets and colons in names are no markup and no emoji.
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False, emoji=False)


def columns_that_fit(rows: Rows, width: int) -> list[list[int]]:
    """The columns in groups that each fit into `width` characters; every group starts with the first column.

    A column has a space on either side, and between columns and at both edges of the table there is one more.
    """
    widths = [3 + max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    groups = [[0]]
    for column in range(1, len(widths)):
        if len(groups[-1]) > 1 and 1 + sum(widths[one] for one in groups[-1]) + widths[column] > width:
            groups.append([0])
        groups[-1].append(column)
    return groups
