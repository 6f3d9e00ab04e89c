"""dd-generate: speech features and a speaker's latents to motion."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.files import check_not_input
from dd_tools.cli.options import Device, Dtype, Expression
from dd_tools.cli.session import Session

Speech = Annotated[str, typer.Argument(metavar="SPEECH.npy|-", help="Speech features; - is standard input.")]
Output = Annotated[
    str, typer.Option("-o", "--output", metavar="MOTION.npy|-", help="Output motion; - is standard output.")
]
Reference = Annotated[Path, typer.Option(metavar="LATENTS.npy", help="Latents of the speaker.")]
MotionFile = Annotated[
    Path | None,
    typer.Option("--motion", metavar="MOTION.safetensors", help="Motion model weights.  [default: the shipped ones]"),
]
References = Annotated[int, typer.Option(min=1, help="Largest number of reference latents to use; 1 is one-shot.")]


def generate(
    session: Session,
    speech: Speech,
    output: Output,
    reference: Reference,
    motion: MotionFile = None,
    references: References = 75,
    expression: Expression = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Generate motion, 25 latents per second, from speech features of any length."""
    from dd_tools.formats.arrays import PIPE, read_latents, read_speech, write_array
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.nn.device import open_device
    from dd_tools.pipeline.generate import generate_motion
    from dd_tools.pipeline.models import load_motion_model
    from dd_tools.weights import default_weights

    if output != PIPE:
        check_not_input(Path(output), Path(speech), reference)
        check_output_path(output)
    weights = motion or default_weights("motion")
    latents = generate_motion(
        load_motion_model(weights, open_device(device), dtype),
        read_speech(speech),
        read_latents(reference),
        references=references,
        names=(speech, reference, weights),
        progress=lambda starts: session.progress(starts, len(starts), "windows"),
        expression=expression,
    )
    write_array(output, latents)


run = console_command("dd-generate", generate)
