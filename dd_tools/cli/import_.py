"""dd-import: the authors' released weights in, weights of these tools out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.options import NoHistory
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError

Weights = Annotated[
    Path, typer.Argument(metavar="AUTHORS.ckpt", help="The released checkpoint: DiffDub's stage 1 or 2, or Diff-AE's.")
]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT.safetensors", help="Write the converted weights here.")
]
NoiseFile = Annotated[
    Path | None,
    typer.Option("--x-t", metavar="FILE.npy", help="Keep the checkpoint's noise here, for dd-render --x-t."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Name every key that was not used, not only their groups.")]


def import_(
    session: Session,
    weights: Weights,
    output: Output,
    x_t: NoiseFile = None,
    verbose: Verbose = False,
    no_history: NoHistory = False,
) -> None:
    """Convert released weights: what they are is recognised, the moving average is taken, nothing in them is run.

    A Diff-AE becomes a renderer to start training from: until then it does not see the reference image.
    """
    from dd_tools.formats.arrays import write_array
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.formats.checkpoint import MOTION, RENDERER, Checkpoint, write_checkpoint
    from dd_tools.formats.reference_checkpoint import read_reference_checkpoint
    from dd_tools.motion import released as motion
    from dd_tools.renderer import released as renderer

    _check_names(weights, output, x_t)
    for path in filter(None, (output, x_t)):
        check_output_path(path)
    released = read_reference_checkpoint(weights)
    room = {RENDERER: renderer, MOTION: motion}[released.kind]
    try:
        model = room.released_model(released, weights)
    except (LookupError, ArithmeticError, ValueError, UsageError) as error:
        raise DataError(
            f"cannot use '{weights}': its tensors do not make up {released.source}, some are missing"
        ) from error
    if x_t:
        write_array(x_t, _shared_noise(released, weights))
    notes = {"imported": released.source, "file": weights.name, "moving average": released.averaged}
    history = session.history([weights], wanted=not no_history)
    write_checkpoint(output, Checkpoint(released.kind, model.config.to_json(), model.state_dict(), notes, history))
    for line in _report(released, model, weights, room.known_and_assumed(model.config)):
        session.say(line)
    for key in _unused(released, verbose, kept=bool(x_t)):
        session.say(f"not used: {key}")


def _check_names(weights: Path, output: Path, x_t: Path | None) -> None:
    for path in filter(None, (output, x_t)):
        if path.resolve() == weights.resolve():
            raise UsageError(f"'{path}' is both input and output")
    if x_t and x_t.resolve() == output.resolve():
        raise UsageError(f"'{output}' is named for two outputs")


def _shared_noise(released, path: Path):
    """The first x_T of the checkpoint, float32 (3, S, S)."""
    if released.x_T is None:
        raise DataError(f"cannot keep the noise of '{path}': it has no x_T; leave out --x-t")
    return released.x_T[0].float().numpy()


def _report(released, model, path: Path, facts: tuple[str, str]) -> list[str]:
    """What was found, as lines; facts: what the shapes told, and what was assumed."""
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    average = "the moving average" if released.averaged else "without a moving average"
    return [
        f"'{path}' is {released.source}: a {released.kind} of {millions:.1f} M parameters, {average}",
        "its shapes say: {}; assumed as in the paper: {}".format(*facts),
    ]


def _unused(released, verbose: bool, kept: bool) -> list[str]:
    """What to say of the keys that were not used: one by one, or all their groups in one line."""
    names = [name for name in released.unused if not (kept and name == "x_T")]
    if verbose or not names:
        return names
    groups = released.grouped(names)
    return [", ".join(f"{name} ({count} keys)" if count > 1 else name for name, count in groups.items())]


run = console_command("dd-import", import_)
