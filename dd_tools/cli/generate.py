"""dd-generate: speech features and a speaker's latents in, motion out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.options import Device, Expression, FollowSyllables
from dd_tools.cli.session import Session
from dd_tools.errors import UsageError

Speech = Annotated[str, typer.Argument(metavar="SPEECH.npy|-", help="Speak this; - is standard input.")]
Output = Annotated[
    str, typer.Option("-o", "--output", metavar="MOTION.npy|-", help="Write motion here; - is standard output.")
]
Reference = Annotated[Path, typer.Option(metavar="LATENTS.npy", help="Take the speaker's looks from these latents.")]
MotionFile = Annotated[
    Path | None,
    typer.Option("--motion", metavar="MOTION.safetensors", help="Use this motion model.  [default: the shipped one]"),
]
References = Annotated[int, typer.Option(min=1, help="Use so many reference latents; 1 is one-shot.")]


def generate_motion(
    session: Session,
    speech: Speech,
    output: Output,
    reference: Reference,
    motion: MotionFile = None,
    references: References = 75,
    expression: Expression = None,
    follow_syllables: FollowSyllables = None,
    device: Device = "auto",
) -> None:
    """Generate the latents of a face that speaks, 25 a second: what dd-render paints.

    Speech of any length goes through the model in overlapping windows.
    """
    from dd_tools.formats.arrays import PIPE, evenly_spaced, read_latents, read_speech, write_array
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.motion.generation import check_fit, generate
    from dd_tools.motion.model import load_motion_model
    from dd_tools.nn.device import open_device
    from dd_tools.weights import default_weights

    if output != PIPE:
        if Path(output).resolve() in (Path(speech).resolve(), reference.resolve()):
            raise UsageError(f"'{output}' is both input and output")
        check_output_path(output)
    path = motion or default_weights("motion")
    model = load_motion_model(path)
    known, heard = read_latents(reference), read_speech(speech)
    shown = evenly_spaced(known, references) if model.config.residual else known[:references]
    check_fit(model.config, speech=heard, reference=shown, names=(speech, reference, path))
    latents = generate(
        model,
        heard,
        shown,
        expression=expression,
        following=follow_syllables,
        device=open_device(device),
        progress=lambda starts: session.progress(starts, len(starts), "windows"),
    )
    write_array(output, latents)


run = console_command("dd-generate", generate_motion)
