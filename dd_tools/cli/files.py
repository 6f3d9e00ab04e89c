"""Which files a command reads and writes: folders expanded, an output for every input, `--resume`."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from dd_tools.errors import DataError, UsageError, reason


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


def check_not_pipe(*videos: Path | None) -> None:
    """Raise `DataError` if one of the `videos`, of which None is ignored, can only be read once."""
    for path in videos:
        if path and path.is_fifo():
            raise DataError(
                f"cannot read '{path}': it is a pipe, which can only be read once; save the video to a file"
            )


@contextlib.contextmanager
def sound_file(path: Path) -> Iterator[Path]:
    """Yield `path`, or if it is a pipe, such as ``<(...)`` in a shell, a temporary copy, as sound is read repeatedly.

    Raises `DataError` if the copy cannot be written.
    """
    if not path.is_fifo():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="dd-sound-") as folder:
        copy = Path(folder, path.name)
        try:
            with open(path, "rb") as pipe, open(copy, "wb") as stream:
                shutil.copyfileobj(pipe, stream)
        except OSError as error:
            raise DataError(f"cannot copy '{path}' to '{folder}': {reason(error)}") from None
        yield copy


def check_not_input(output: Path, *inputs: Path | None) -> None:
    """Raise `UsageError` if `output` is one of the `inputs`, of which None is ignored."""
    if output.resolve() in {path.resolve() for path in inputs if path}:
        raise UsageError(f"'{output}' is both input and output")


def is_up_to_date(target: Path, *sources: Path) -> bool:
    """Whether `target` exists and is at least as new as every source, as make judges."""
    if not target.exists():
        return False
    written = target.stat().st_mtime_ns
    return all(source.exists() and source.stat().st_mtime_ns <= written for source in sources)
