"""Which files a command reads and writes: folders expanded, one output per input, `--resume`."""

from collections.abc import Iterable
from pathlib import Path

from dd_tools.errors import UsageError


def expand_folders(paths: Iterable[Path], pattern: str) -> list[Path]:
    """The files given, and the files that match `pattern` in the folders given, sorted, without hidden files."""
    files: list[Path] = []
    for path in paths:
        # Files that another command is writing have hidden names.
        found = sorted(file for file in path.glob(pattern) if not file.name.startswith("."))
        files += found if path.is_dir() else [path]
    return files


def plan_outputs(inputs: list[Path], output: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Pair each input with its output: the file `output` for one input, or NAME plus `suffix` in the folder `output`.

    Raises `UsageError` if two inputs would write one file, an input would be overwritten, or several inputs share an
    output file.
    """
    if not output.is_dir():
        if len(inputs) != 1:
            raise UsageError(f"'{output}' is not an existing folder, which {len(inputs)} inputs need")
        pairs = [(inputs[0], output)]
    else:
        pairs = [(path, output / f"{path.stem}{suffix}") for path in inputs]
    by_target: dict[Path, Path] = {}
    for source, target in pairs:
        check_not_input(target, source)
        if target in by_target:
            raise UsageError(f"'{by_target[target]}' and '{source}' would both write '{target}'")
        by_target[target] = source
    return pairs


def check_not_input(output: Path, *inputs: Path | None) -> None:
    """Raise `UsageError` if `output` is one of the `inputs`; None among them is ignored."""
    if output.resolve() in {path.resolve() for path in inputs if path}:
        raise UsageError(f"'{output}' is both input and output")


def is_up_to_date(target: Path, *sources: Path) -> bool:
    """Whether `target` exists and is at least as new as every source, as make judges."""
    if not target.exists():
        return False
    made = target.stat().st_mtime_ns
    return all(source.exists() and source.stat().st_mtime_ns <= made for source in sources)
