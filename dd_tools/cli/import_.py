"""dd-import: released checkpoints to weights."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.files import check_not_input
from dd_tools.cli.options import NoHistory
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError

Weights = Annotated[
    Path, typer.Argument(metavar="AUTHORS.ckpt", help="Released checkpoint: DiffDub's stage 1 or 2, or Diff-AE's.")
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="OUT.safetensors", help="Output weights.")]
NoiseFile = Annotated[
    Path | None,
    typer.Option("--x-t", metavar="FILE.npy", help="Also write the noise x_T of the checkpoint, for dd-render --x-t."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="List every key that was not used, not only their groups.")]


def import_(
    session: Session,
    weights: Weights,
    output: Output,
    x_t: NoiseFile = None,
    verbose: Verbose = False,
    no_history: NoHistory = False,
) -> None:
    """Convert a released checkpoint to weights.

    Recognises the network, takes the moving average if there is one, and runs no code in the file. A Diff-AE becomes a
    renderer to start training from; until it is trained, it ignores the reference image.
    """
    from dd_tools.diffdub.released import convert
    from dd_tools.formats.arrays import write_array
    from dd_tools.formats.atomic import atomic_output, check_output_path
    from dd_tools.formats.checkpoint import write_checkpoint
    from dd_tools.formats.released import read_released

    for path in filter(None, (output, x_t)):
        check_not_input(path, weights)
        check_output_path(path)
    if x_t and x_t.resolve() == output.resolve():
        raise UsageError(f"'{output}' is both --output and --x-t")
    released = read_released(weights)
    try:
        checkpoint, known, assumed = convert(released, weights)
    except (LookupError, ArithmeticError, ValueError, TypeError, RuntimeError, UsageError) as error:
        raise DataError(f"cannot use '{weights}': tensors of {released.source} are missing or do not fit") from error
    noise = _noise(released, weights) if x_t else None
    checkpoint.training = {
        "imported": released.source,
        "file": weights.name,
        "moving average": released.averaged,
    }
    checkpoint.history = session.history([weights], wanted=not no_history)
    with atomic_output(x_t) if x_t else nullcontext() as temporary:  # so that both files are new, or both are old
        if temporary:
            write_array(temporary, noise)
        write_checkpoint(output, checkpoint)
    millions = sum(tensor.numel() for tensor in checkpoint.tensors.values()) / 1e6
    average = "the moving average" if released.averaged else "without a moving average"
    session.say(f"'{weights}' is {released.source}: a {released.stage} of {millions:.1f} M values, {average}")
    session.say(f"from the shapes of its tensors: {known}; assumed, as in the authors' code: {assumed}")
    for key in _unused(released, verbose, kept=bool(x_t)):
        session.say(f"not used: {key}")


def _noise(released, path: Path):
    """The first x_T of the checkpoint, float32 (3, S, S)."""
    from dd_tools.formats.arrays import is_finite

    if released.x_T is None:
        raise DataError(f"cannot write the noise of '{path}': it has no x_T; leave out --x-t")
    noise = released.x_T[0].float().numpy()
    if len(noise) != 3 or noise.shape[1] != noise.shape[2] or not is_finite(noise):
        raise DataError(f"cannot write the noise of '{path}': its x_T is no finite noise (N, 3, S, S); leave out --x-t")
    return noise


def _unused(released, verbose: bool, kept: bool) -> list[str]:
    """Lines on the keys that were not used: one per key, or one in all with their groups. kept: x_T was used."""
    names = [name for name in released.unused if not (kept and name == "x_T")]
    if verbose or not names:
        return names
    groups = released.grouped(names)
    return [", ".join(f"{name} ({count} keys)" if count > 1 else name for name, count in groups.items())]


run = console_command("dd-import", import_)
