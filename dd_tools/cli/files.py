"""Which files a command reads and writes: folders expanded, an output for every input, `--resume`."""

from collections.abc import Iterable
from pathlib import Path

from dd_tools.errors import UsageError


def expand_folders(paths: Iterable[Path], pattern: str) -> list[Path]:
    """`paths` with every folder replaced by the files in it that match `pattern`, sorted, without hidden files."""
    files: list[Path] = []
    for path in paths:
        # Files that another command is writing have hidden names.
        found = sorted(file for file in path.glob(pattern) if not file.name.startswith("."))
        files += found if path.is_dir() else [path]
    return files


def plan_outputs(inputs: list[Path], output: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Pair each input with its output: in the folder `output`, its name with `suffix`; otherwise the file `output`.

    Raises `UsageError` if several inputs have no folder, two inputs would write one file, or an input would be
    overwritten, and `DataError` if nothing can be written there.
    """
    from dd_tools.formats.arrays import PIPE
    from dd_tools.formats.atomic import check_output_path

    if not output.is_dir():
        if len(inputs) != 1:
            raise UsageError(f"'{output}' is not an existing folder, which {len(inputs)} inputs need")
        pairs = [(inputs[0], output)]
    else:
        pairs = [(path, output / f"{path.stem}{suffix}") for path in inputs]
    if str(output) != PIPE:
        check_output_path(pairs[0][1])
    by_target: dict[Path, Path] = {}
    for source, target in pairs:
        check_not_input(target, source)
        if target in by_target:
            raise UsageError(f"'{by_target[target]}' and '{source}' would both write '{target}'")
        by_target[target] = source
    return pairs


def check_not_input(output: Path, *inputs: Path | None) -> None:
    """Raise `UsageError` if `output` is one of the `inputs`, of which None is ignored."""
    if output.resolve() in {path.resolve() for path in inputs if path}:
        raise UsageError(f"'{output}' is both input and output")


def check_reports(files: Iterable[Path | None], folder: Path | None, inputs: Iterable[Path]) -> None:
    """Raise an error before the work if a report cannot be written or is an input; create the pages' folder.

    files, folder: where reports go; None for those that are not wanted.
    """
    from dd_tools.formats.atomic import check_output_path, create_output_folder

    inputs = list(inputs)
    for path in filter(None, files):
        check_output_path(path)
        check_not_input(path, *inputs)
    if folder:
        create_output_folder(folder)


def is_up_to_date(target: Path, *sources: Path) -> bool:
    """Whether `target` exists and no source has changed since it was written, to the knowledge of the file system.

    An array records nothing of its sources, so their times must do. A file that is copied or moved over another keeps
    its time of modification, which may be long ago, but not that of its last change (ctime).
    """
    if not target.exists():
        return False
    written = target.stat().st_mtime_ns
    return all(source.exists() and _changed(source) <= written for source in sources)


def _changed(path: Path) -> int:
    status = path.stat()
    return max(status.st_mtime_ns, status.st_ctime_ns)
