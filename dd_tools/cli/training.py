"""What the two training commands share: options, the files to train on, and the run."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.files import expand_folders
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

Preset = Annotated[
    str | None, typer.Option(metavar="warp|small|paper|...", help="Kind, sizes and settings.  [default: warp]")
]
Init = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.safetensors|default",
        help="Weights to start from, or the shipped ones; --preset then only selects the training settings.",
    ),
]
Steps = Annotated[int | None, typer.Option(help="Training steps in all.  [default: the preset's]")]
BatchSize = Annotated[int | None, typer.Option(help="Samples per step and process.  [default: the preset's]")]
LearningRate = Annotated[float | None, typer.Option(help="Peak learning rate.  [default: the preset's]")]
NoAugment = Annotated[bool, typer.Option("--no-augment", help="Do not augment (ablation).")]
DataFraction = Annotated[float, typer.Option(help="Share of the clips to use, above 0 to 1.")]
Exclude = Annotated[Path | None, typer.Option(metavar="FILE", help="Names of clips to leave out, one per line.")]
Speakers = Annotated[
    Path | None, typer.Option(metavar="FILE.tsv", help="Clip name, tab, speaker: to draw speakers more evenly.")
]
SaveEvery = Annotated[
    int | None, typer.Option(help="Steps between two saves of the training state.  [default: the preset's]")
]
Workers = Annotated[int, typer.Option(help="Processes that load data.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue from the saved training state, if there is one.")]
TensorBoard = Annotated[Path | None, typer.Option(metavar="DIR", help="Log to TensorBoard as well.")]

EXIT_STOPPED = 143  # what a shell reports after SIGTERM: not done, so that schedulers and make start it again


def training_files(
    session: Session,
    named: list[Path],
    pattern: str,
    exclude: Path | None,
    fraction: float,
    lists: Mapping[Path | None, Collection[str]],
) -> list[Path]:
    """The files to train on: those named, or in the folders named, without the excluded ones, and of these a share.

    lists: file (None if not given) to the clip names in it. Names that match no clip are reported, as they are likely
    misspelt.
    """
    from dd_tools.training.clips import fraction_of, read_names

    excluded = read_names(exclude) if exclude else set()
    files = {path.stem: path for path in expand_folders(named, pattern)}
    for source, names in ((exclude, excluded), *lists.items()):
        if unknown := sorted(set(names) - set(files)):
            shown = ", ".join(unknown[:3]) + (" ..." if len(unknown) > 3 else "")
            session.say(f"'{source}': {len(unknown)} of {len(names)} names match no clip: {shown}")
    files = {stem: path for stem, path in files.items() if stem not in excluded}
    if not files:
        raise DataError(f"nothing to train on: no {pattern} among the inputs, or all excluded")
    return [files[stem] for stem in fraction_of(list(files), fraction)]


def initial_weights(init: Path | None, name: str) -> Path | None:
    """The weights to start from; ``default`` means the shipped weights `name`."""
    from dd_tools.weights import default_weights

    return default_weights(name) if init == Path("default") else init


def run_training(session: Session, task, settings, output: Path, history: list[dict], **options) -> None:
    """Call `dd_tools.training.loop.train`. If it was stopped, say how to continue and exit with `EXIT_STOPPED`."""
    from dd_tools.training.loop import train

    task.checkpoint.history = history
    if not train(task, settings, output, report=session, **options):
        session.say("stopped; the training state is saved, continue with --resume")
        raise typer.Exit(EXIT_STOPPED)
