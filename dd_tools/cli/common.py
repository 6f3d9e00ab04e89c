"""What every command shares: the way in and out, error lines, exit statuses, progress, common options.

Modules here are imported before a command knows what it will do, so nothing heavy (torch, cv2) is imported at the top.
"""

import functools
import inspect
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from dd_tools import __version__
from dd_tools.errors import DataError, UsageError

Item = TypeVar("Item")

# What typer's parser raises for a wrong command line; newer versions bring their own click.
_ParsingError = typer.BadParameter.__bases__[0]

EXIT_DATA, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{Path(sys.argv[0]).name} (dd_tools) {__version__}")
        raise typer.Exit


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]
NoHistory = Annotated[
    bool, typer.Option("--no-history", help="Leave out how the file was made, for byte-stable files.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Skip outputs that exist and are newer than their inputs.")]
Expression = Annotated[
    float | None,
    typer.Option(min=0, max=5, help="Move so many times as far as the model says.  [default: the model's own]"),
]
FollowSyllables = Annotated[
    float | None,
    typer.Option(
        min=0, max=0.9, help="Have the mouth open with the syllables, by this correlation.  [default: the model's own]"
    ),
]
Device = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda|mps", help="Compute here; auto takes a GPU if there is one.")
]
Dtype = Annotated[str, typer.Option(metavar="fp32|bf16|fp16", help="Compute in this number format.")]
Seed = Annotated[int, typer.Option(help="Draw all randomness from this seed.")]


class Session:
    """One run of a command: its name, how much it says, and whether it skipped or failed on anything."""

    def __init__(self, name: str):
        self.name = name
        self.quiet = False
        self.failures = 0

    def say(self, message: str) -> None:
        """A line of information on standard error, unless quiet."""
        if not self.quiet:
            typer.echo(f"{self.name}: {message}", err=True)

    def fail(self, message: str) -> None:
        """A line about an item that failed; the command goes on and ends with exit status 1."""
        self.failures += 1
        typer.echo(f"{self.name}: {message}", err=True)

    def history(self, inputs: Iterable[str | Path], wanted: bool = True) -> list[dict]:
        """This run as the one new entry of an output's history; nothing if the user does not want one."""
        from dd_tools.formats.history import history_entry

        return [history_entry(self.name, sys.argv[1:], inputs)] if wanted else []

    def for_each(self, items: Iterable[Item], work: Callable[[Item], Any]) -> None:
        """Do `work` on every item; one that raises `DataError` is reported and the others go on."""
        for item in items:
            try:
                work(item)
            except DataError as error:
                self.fail(str(error))

    def progress(self, steps: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:
        """Pass `steps` through, with a bar on a terminal and plain lines every tenth otherwise."""
        if self.quiet:
            yield from steps
        elif sys.stderr.isatty():
            yield from _progress_bar(steps, total, label)
        else:
            yield from self._progress_lines(steps, total, label)

    def _progress_lines(self, steps: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:
        every = max(1, (total or 5000) // 10)
        for count, step in enumerate(steps, start=1):
            yield step
            if count % every == 0:
                self.say(f"{label}: {count}/{total}" if total else f"{label}: {count}")


def training_progress(session: Session) -> Callable[[Iterator[int], int, Callable[[], str]], Iterator[int]]:
    """The progress of `dd_tools.training.loop.train` on a terminal, or as lines; only the leading process speaks."""
    import os

    if session.quiet or os.environ.get("RANK", "0") != "0":
        return lambda steps, total, describe: steps
    return _training_bar if sys.stderr.isatty() else functools.partial(_training_lines, session)


def _training_bar(steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
    with _progress_columns() as progress:
        task = progress.add_task("training", total=total)
        for step in steps:
            progress.update(task, completed=step, description=describe())
            yield step


def _training_lines(session: Session, steps: Iterator[int], total: int, describe: Callable[[], str]) -> Iterator[int]:
    for step in steps:
        if step and step % 100 == 0:
            session.say(f"step {step}/{total}, {describe()}")
        yield step


def torch_device(name: str):
    """The torch device a user's ``--device`` means. Raises `UsageError` if there is none such here."""
    import torch

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if present[kind]), "cpu")
    if name not in present:
        raise UsageError(f"unknown device '{name}', expected auto, {', '.join(present)}")
    if not present[name]:
        raise UsageError(f"no {name} device on this machine; use --device auto or cpu")
    return torch.device(name)


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """`value` if it is allowed for the option `name`. Raises `UsageError` otherwise."""
    allowed = list(allowed)
    if value not in allowed:
        raise UsageError(f"unknown {name} '{value}', expected {', '.join(allowed)}")
    return value


def expand_folders(paths: Iterable[Path], pattern: str) -> list[Path]:
    """The files named, and the files matching `pattern` in the folders named, sorted, without hidden ones."""
    files: list[Path] = []
    for path in paths:
        # Files being written by another command have hidden names.
        found = sorted(file for file in path.glob(pattern) if not file.name.startswith("."))
        files += found if path.is_dir() else [path]
    return files


def plan_outputs(inputs: list[Path], output: Path, suffix: str) -> list[tuple[Path, Path]]:
    """Pair each input with its output: the file `output` for one input, or NAME plus `suffix` in the folder `output`.

    Raises `UsageError` where two inputs would write one file, an input would be overwritten, or many inputs go to one
    file.
    """
    if not output.is_dir():
        if len(inputs) != 1:
            raise UsageError(f"'{output}' is not an existing folder, which {len(inputs)} inputs need")
        pairs = [(inputs[0], output)]
    else:
        pairs = [(path, output / f"{path.stem}{suffix}") for path in inputs]
    by_target: dict[Path, Path] = {}
    for source, target in pairs:
        if target.resolve() == source.resolve():
            raise UsageError(f"'{source}' is both input and output")
        if target in by_target:
            raise UsageError(f"'{by_target[target]}' and '{source}' would both write '{target}'")
        by_target[target] = source
    return pairs


def is_up_to_date(target: Path, *sources: Path) -> bool:
    """Whether `target` exists and is newer than every source, as make judges."""
    if not target.exists():
        return False
    made = target.stat().st_mtime_ns
    return all(source.exists() and source.stat().st_mtime_ns <= made for source in sources)


def stamp(path: Path | None) -> list | None:
    """What tells a file from its later versions, cheaply: where, how large, from when. Raises `DataError`."""
    if path is None:
        return None
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DataError(f"cannot read '{path}': no such file") from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {str(error.strerror).lower()}") from None
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _progress_columns():
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _progress_bar(steps: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:
    with _progress_columns() as progress:
        yield from progress.track(steps, total=total, description=label)


def console_command(name: str, function: Callable[..., None]) -> Callable[[], None]:
    """The console script of one command: typer around `function`, errors as one line, git's exit statuses.

    `function` takes a `Session` as its first argument, named ``session``; its other parameters are the options. Every
    command also gets ``--quiet``, ``--debug`` and ``--version`` from here.
    """

    @functools.wraps(function, assigned=("__doc__",), updated=())
    def command(quiet: Quiet = False, debug: Debug = False, version: Version = False, **options: Any) -> None:
        session = Session(name)
        session.quiet = quiet
        try:
            function(session, **options)
        except (DataError, UsageError) as error:
            if debug:
                traceback.print_exc()
            typer.echo(f"{name}: {error}", err=True)
            raise typer.Exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_DATA) from None
        except KeyboardInterrupt:
            typer.echo(f"{name}: interrupted", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        if session.failures:
            raise typer.Exit(EXIT_DATA)

    # typer reads both.
    command.__signature__ = _signature_for_typer(function, command)
    command.__annotations__ = {key: parameter.annotation for key, parameter in command.__signature__.parameters.items()}

    def run() -> None:
        # A polite kill unwinds the stack like Ctrl-C does, so that no half-written file stays behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(name)(command)
        try:
            sys.exit(app(standalone_mode=False))
        except _ParsingError as error:
            message = error.format_message()
            typer.echo(f"{name}: {message[:1].lower()}{message[1:].rstrip('.')}; see {name} --help", err=True)
            sys.exit(EXIT_USAGE)

    return run


def _signature_for_typer(function: Callable[..., None], command: Callable[..., None]) -> inspect.Signature:
    """The parameters typer shall see: those of `function` without the session, then the three every command has."""
    own = [parameter for key, parameter in inspect.signature(function).parameters.items() if key != "session"]
    shared = [
        p for p in inspect.signature(command, follow_wrapped=False).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]
    return inspect.Signature(own + shared)
