"""dd-encode: clips to latents."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.files import is_up_to_date, plan_outputs
from dd_tools.cli.options import Device, Dtype, Resume
from dd_tools.cli.session import Session

Clips = Annotated[list[Path], typer.Argument(metavar="CLIP.h5...", help="Clips to encode.")]
Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        metavar="LATENTS.npy|DIR|-",
        help="Output latents, a folder for several clips, or - for standard output.",
    ),
]
RendererFile = Annotated[
    Path | None,
    typer.Option("--renderer", metavar="RENDERER.safetensors", help="Renderer weights.  [default: the shipped ones]"),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Frames per batch.")]


def encode(
    session: Session,
    clips: Clips,
    output: Output,
    renderer: RendererFile = None,
    batch_size: BatchSize = 32,
    resume: Resume = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Encode the face images of clips as latents, 25 per second.

    They are the reference for dd-generate and the training targets of dd-train-seq. Rendered by dd-render, they
    reconstruct the clip.
    """
    from dd_tools.formats.arrays import PIPE, write_array
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.formats.clip import Clip
    from dd_tools.nn.device import open_device
    from dd_tools.pipeline.encode import encode_clip
    from dd_tools.pipeline.models import load_renderer
    from dd_tools.weights import default_weights

    pairs = plan_outputs(clips, output, ".npy")
    weights = renderer or default_weights("renderer")
    model = load_renderer(weights, open_device(device), dtype)

    def encode_one(pair: tuple[Path, Path]) -> None:
        source, target = pair
        if resume and is_up_to_date(target, source, weights):
            session.say(f"'{target}' is up to date")
            return
        if str(target) != PIPE:
            check_output_path(target)
        with Clip(source) as clip:
            latents = encode_clip(model, clip, batch_size=batch_size, report=session)
        write_array(target, latents)

    session.for_each(pairs, encode_one)


run = console_command("dd-encode", encode)
