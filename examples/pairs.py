"""Lists of videos to dub, for the Slurm scripts and the Snakefile. Needs only Python.

    python3 pairs.py LIST.tsv TASK/TASKS COLUMN...

prints these columns of the rows of a task, tab-separated and each row once, with absolute paths. Of TASKS tasks, task 1
has the first row, task 2 the second, and so on.

A list has the columns video, audio and output, separated by tabs, with these names in the first line. Paths are
relative to its folder. It is the list of `dd-dub --batch`, without columns for options.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

COLUMNS = ("video", "audio", "output")


def read_pairs(path: Path, columns: Sequence[str] = COLUMNS) -> list[tuple[str, ...]]:
    """The rows of a list, with paths that begin with that of its folder. Lines of tabs are skipped.

    Raises `ValueError` that says which line is wrong.
    """
    try:
        text = path.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ValueError(f"cannot read '{path}': {error.strerror}") from None
    header, *lines = text.splitlines() or [""]
    names = header.rstrip("\t").split("\t")
    if sorted(names) != sorted(columns):
        raise ValueError(f"cannot use '{path}': its first line must be {', '.join(columns)}, separated by tabs")
    rows = []
    for number, line in enumerate(lines, start=2):
        cells = line.rstrip("\t").split("\t")
        if cells == [""]:
            continue
        if len(cells) != len(names) or "" in cells:
            raise ValueError(f"cannot use '{path}': line {number} must have {len(names)} cells")
        row = dict(zip(names, cells, strict=True))
        rows.append(tuple(str(path.parent / row[name]) for name in columns))
    return rows


def check_names(rows: Iterable[tuple[str, str, str]]) -> None:
    """Raise `ValueError` if files that are made of different rows would have the same name, or overwrite an input."""
    videos, audio, outputs = (list(column) for column in zip(*rows, strict=True))
    for inputs in (videos, audio):
        first: dict[str, str] = {}
        for path in inputs:
            if (other := first.setdefault(stem(path), path)) != path:
                raise ValueError(f"'{other}' and '{path}' have the same name; rename one")
    if both := set(outputs) & {*videos, *audio}:
        raise ValueError(f"'{min(both)}' is both input and output")
    if len(set(outputs)) < len(outputs):
        output, _ = Counter(outputs).most_common(1)[0]
        raise ValueError(f"'{output}' is the output of two rows")


def stem(path: str) -> str:
    """The name of a file without its folder and suffix, which names what is made of it."""
    return Path(path).stem


def share(rows: Iterable[tuple[str, ...]], task: int, tasks: int) -> list[tuple[str, ...]]:
    """The rows of a task, from 1, each once."""
    return list(dict.fromkeys(rows))[task - 1 :: tasks]


def main() -> None:
    path, task, *names = Path(sys.argv[1]), *sys.argv[2:]
    columns = COLUMNS if set(names) <= set(COLUMNS) else names
    try:
        rows = read_pairs(path.absolute(), columns)
        if columns == COLUMNS and rows:
            check_names(rows)
    except ValueError as error:
        sys.exit(f"pairs.py: {error}")
    places = [columns.index(name) for name in names]
    chosen = share([tuple(row[place] for place in places) for row in rows], *map(int, task.split("/")))
    sys.stdout.reconfigure(errors="surrogateescape", encoding="utf-8")
    sys.stdout.writelines("\t".join(row) + "\n" for row in chosen)


if __name__ == "__main__":
    main()
