"""What the two training commands share: their options, which files they train on, and the run itself."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.files import expand_folders
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

Preset = Annotated[
    str | None, typer.Option(metavar="paper|default|tiny", help="Sizes and settings.  [default: default]")
]
Steps = Annotated[int | None, typer.Option(help="Train for this many steps in all.  [default: the preset's]")]
BatchSize = Annotated[int | None, typer.Option(help="Samples a step and process.  [default: the preset's]")]
LearningRate = Annotated[float | None, typer.Option(help="Peak learning rate.  [default: the preset's]")]
NoAugment = Annotated[bool, typer.Option("--no-augment", help="Do not augment.")]
DataFraction = Annotated[float, typer.Option(help="Use this share of the clips.")]
Exclude = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Keep out the clips named in this file, one a line.")
]
Speakers = Annotated[
    Path | None, typer.Option(metavar="FILE.tsv", help="Draw speakers more evenly: clip name, tab, speaker.")
]
SaveEvery = Annotated[
    int | None, typer.Option(help="Save the training state every so many steps.  [default: the preset's]")
]
Workers = Annotated[int, typer.Option(help="Read clips in this many processes.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the saved state, if there is one.")]
TensorBoard = Annotated[Path | None, typer.Option(metavar="DIR", help="Log to TensorBoard too.")]

EXIT_STOPPED = 143  # what a shell reports after SIGTERM: not done, so schedulers and make go on another time


def training_files(
    session: Session,
    named: list[Path],
    pattern: str,
    exclude: Path | None,
    fraction: float,
    lists: Mapping[Path | None, Collection[str]],
) -> list[Path]:
    """The files to train on: those named or in the folders named, less the excluded ones, and of these a share.

    lists: file (None where there is none) to the clip names in it, of which those that fit no file are told: they are
    likely misspelt.
    """
    from dd_tools.training.clips import fraction_of, read_names

    kept_out = read_names(exclude) if exclude else set()
    files = {path.stem: path for path in expand_folders(named, pattern)}
    for source, names in ((exclude, kept_out), *lists.items()):
        if unknown := sorted(set(names) - set(files)):
            shown = ", ".join(unknown[:3]) + (" ..." if len(unknown) > 3 else "")
            session.say(f"'{source}': {len(unknown)} of {len(names)} names are of no clip here: {shown}")
    files = {stem: path for stem, path in files.items() if stem not in kept_out}
    if not files:
        raise DataError(f"nothing to train on: no {pattern} among what was named, or all excluded")
    return [files[stem] for stem in fraction_of(list(files), fraction)]


def weights_named(init: Path | None, kind: str) -> Path | None:
    """The weights to start from; the word ``default`` means those that ship with the package."""
    from dd_tools.weights import default_weights

    return default_weights(kind) if init == Path("default") else init


def settings_from(preset, **chosen):
    """The `TrainingSettings` of a preset with what the user chose instead; None keeps the preset's."""
    return replace(preset, **{name: value for name, value in chosen.items() if value is not None})


def run_training(session: Session, objective, data, settings, checkpoint, output: Path, **options) -> None:
    """Call `dd_tools.training.loop.train`; where it was stopped, say how to go on and exit with `EXIT_STOPPED`."""
    from dd_tools.training.loop import train

    if not train(objective, data, settings, checkpoint, output, progress=session.training, **options):
        session.say("stopped; the state is saved, go on with --resume")
        raise typer.Exit(EXIT_STOPPED)
