"""dd-encode: clips in, latents out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.files import is_up_to_date, plan_outputs
from dd_tools.cli.options import Device, Resume
from dd_tools.cli.session import Session

Clips = Annotated[list[Path], typer.Argument(metavar="CLIP.h5...", help="Encode the faces of these clips.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="LATENTS.npy|DIR|-", help="Write latents here; - is standard output.")
]
RendererFile = Annotated[
    Path | None,
    typer.Option("--renderer", metavar="RENDERER.safetensors", help="Use this encoder.  [default: the shipped one]"),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Encode so many frames at once.")]


def encode(
    session: Session,
    clips: Clips,
    output: Output,
    renderer: RendererFile = None,
    batch_size: BatchSize = 32,
    resume: Resume = False,
    device: Device = "auto",
) -> None:
    """Turn the face images of clips into latents, 25 a second.

    The latents are the reference of dd-generate and what dd-train-seq learns to predict; given to dd-render as they
    are, they reconstruct the clip.
    """
    from dd_tools.formats.arrays import write_array
    from dd_tools.formats.clip import Clip
    from dd_tools.nn.device import open_device
    from dd_tools.renderer.autoencoder import load_renderer
    from dd_tools.renderer.encoding import encode_clip
    from dd_tools.weights import default_weights

    pairs = plan_outputs(clips, output, ".npy")
    path = renderer or default_weights("renderer")
    model, place = load_renderer(path), open_device(device)

    def encode_one(pair: tuple[Path, Path]) -> None:
        source, target = pair
        if resume and is_up_to_date(target, source, path):
            session.say(f"'{target}' is up to date")
            return
        with Clip(source) as clip:
            batches = -(-len(clip.usable) // batch_size)
            latents = encode_clip(
                model,
                clip,
                batch_size=batch_size,
                device=place,
                progress=lambda steps: session.progress(steps, batches, source.name),
            )
        write_array(target, latents)

    session.for_each(pairs, encode_one)


run = console_command("dd-encode", encode)
