"""What dd-train-ae and dd-train-seq share: options, the choice of files, and the run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.files import expand_folders
from dd_tools.cli.options import Device, NoHistory, Seed
from dd_tools.cli.session import Session
from dd_tools.errors import DataError

EXIT_STOPPED = 143  # of a process that another one, which got a signal, stopped


@dataclass(frozen=True)
class TrainingOptions:
    """The options of both training commands."""

    preset: Annotated[
        str | None,
        typer.Option(
            metavar="warp|small|paper|...", help="Kind and sizes of the model, and settings.  [default: warp]"
        ),
    ] = None
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.safetensors|default",
            help="Weights to start from, or the shipped ones; --preset then only selects the training settings.",
        ),
    ] = None
    steps: Annotated[int | None, typer.Option(help="Training steps in all.  [default: the preset's]")] = None
    batch_size: Annotated[int | None, typer.Option(help="Samples per step and process.  [default: the preset's]")] = (
        None
    )
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.  [default: the preset's]")] = None
    no_augment: Annotated[bool, typer.Option("--no-augment", help="Do not augment the training data (ablation).")] = (
        False
    )
    data_fraction: Annotated[float, typer.Option(help="Share of the clips to use, above 0 to 1.")] = 1.0
    exclude: Annotated[Path | None, typer.Option(metavar="FILE", help="Names of clips to leave out, one per line.")] = (
        None
    )
    speakers: Annotated[
        Path | None, typer.Option(metavar="FILE.tsv", help="Draw speakers more evenly: clip name, tab, speaker.")
    ] = None
    save_every: Annotated[
        int | None, typer.Option(help="Steps between two saves of the training state.  [default: the preset's]")
    ] = None
    workers: Annotated[int, typer.Option(help="Processes that load data.")] = 0
    seed: Seed = 0
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the saved training state, if there is one.")
    ] = False
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="With --resume: continue even if other options have changed.")
    ] = False
    device: Device = "auto"
    dtype: Annotated[
        str,
        typer.Option(
            metavar="auto|fp32|bf16|fp16",
            help="Floating-point format to compute in; auto is bf16 on a GPU that has it.",
        ),
    ] = "fp32"
    tensorboard: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for TensorBoard logs.")] = None
    no_history: NoHistory = False

    def check(self, output: Path) -> None:
        """Raise an error before any work if the output cannot be written or an option is wrong."""
        from dd_tools.formats.atomic import check_output_path
        from dd_tools.nn.device import choose_dtype, open_device

        check_output_path(output)
        choose_dtype(self.dtype, open_device(self.device))

    def speakers_by_clip(self) -> dict[str, str]:
        """Clip name to speaker, empty without ``--speakers``."""
        from dd_tools.training.clips import read_speakers

        return read_speakers(self.speakers) if self.speakers else {}

    def initial_weights(self, name: str) -> Path | None:
        """The weights to start from, if any. name: of the shipped weights, which ``default`` stands for."""
        from dd_tools.weights import default_weights

        return default_weights(name) if self.init == Path("default") else self.init

    def files(
        self, session: Session, named: list[Path], pattern: str, lists: Mapping[Path | None, Collection[str]]
    ) -> list[Path]:
        """The files to train on: those of `named` and in its folders, less the excluded ones, and a fraction of these.

        pattern: of the files in folders. lists: files given by other options (or None), with the clip names in each.
        Names that match no clip are reported, as they are probably misspelt. Raises `DataError` if two files have the
        same name, as it is the name of a clip.
        """
        from dd_tools.training.clips import fraction_of, read_names

        excluded = read_names(self.exclude) if self.exclude else set()
        found = list({path.resolve(): path for path in expand_folders(named, pattern)}.values())
        names = {path.stem for path in found}
        for source, listed in ((self.exclude, excluded), *lists.items()):
            if unknown := sorted(set(listed) - names):
                shown = ", ".join(unknown[:3]) + (" ..." if len(unknown) > 3 else "")
                session.say(f"'{source}': {len(unknown)} of {len(listed)} names match no clip: {shown}")
        files: dict[str, Path] = {}
        for path in found:
            if path.stem in excluded:
                continue
            if path.stem in files:
                raise DataError(f"'{files[path.stem]}' and '{path}' have the same name, which names a clip: rename one")
            files[path.stem] = path
        if not files:
            raise DataError(f"nothing to train on: no {pattern} among the inputs, or all excluded")
        return [files[stem] for stem in fraction_of(list(files), self.data_fraction)]

    def run(self, session: Session, task, settings, output: Path, init: Path | None) -> None:
        """Train with the user's choice of `settings`. init: weights that the training starts from, for the history.

        If the training is stopped by another process, exit with `EXIT_STOPPED`.
        """
        from dd_tools.nn.device import open_device
        from dd_tools.pipeline.training import with_choices
        from dd_tools.training.loop import train

        names = ("steps", "batch_size", "learning_rate", "save_every", "workers", "seed")
        settings = with_choices(settings, **{name: getattr(self, name) for name in names})
        task.checkpoint.history = session.history([init] if init else [], wanted=not self.no_history)
        if not train(
            task,
            settings,
            output,
            device=open_device(self.device),
            dtype=self.dtype,
            resume=self.resume,
            allow_changes=self.allow_changes,
            tensorboard=self.tensorboard,
            report=session,
        ):
            raise typer.Exit(EXIT_STOPPED)
