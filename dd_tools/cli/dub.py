"""dd-dub: a video or portrait and driving audio to a dubbed video, in one process."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.options import Expression
from dd_tools.cli.output import Output, OutputOptions
from dd_tools.cli.prep import At, Deinterlace, Face, parse_point
from dd_tools.cli.session import Session

Video = Annotated[Path, typer.Argument(metavar="VIDEO|IMAGE", help="Video or portrait of the speaker.")]
Audio = Annotated[Path, typer.Argument(metavar="AUDIO", help="Driving audio, or a video whose audio track is used.")]
MotionFile = Annotated[
    Path | None,
    typer.Option("--motion", metavar="MOTION.safetensors", help="Motion model weights.  [default: the shipped ones]"),
]
Adapt = Annotated[
    float, typer.Option(min=0, metavar="MINUTES", help="Train the renderer on this speaker first, for this long.")
]
References = Annotated[int, typer.Option(min=1, help="Largest number of reference latents.")]


def dub_video(
    session: Session,
    video: Video,
    audio: Audio,
    output: Output,
    options: OutputOptions,
    motion: MotionFile = None,
    references: References = 75,
    expression: Expression = None,
    adapt: Adapt = 0,
    face: Face = "prominent",
    at: At = None,
    deinterlace: Deinterlace = False,
) -> None:
    """Dub a video: make its speaker say what is said in the audio.

    The same as dd-prep, dd-audio, dd-encode, dd-generate and dd-render one after another. A video keeps its length
    unless --loop or --tail say otherwise; a portrait lasts as long as the audio. The metadata of the output says that
    it was altered by AI.
    """
    from dd_tools.media.piped import as_file
    from dd_tools.pipeline.dub import dub

    with as_file(audio) as audio:
        dub(
            video,
            audio,
            output,
            renderer=options.renderer,
            motion=motion,
            references=references,
            expression=expression,
            adapt_minutes=adapt,
            face=face,
            at=parse_point(at),
            deinterlace=deinterlace,
            steps=options.steps,
            solver=options.solver,
            seed=options.seed,
            settings=options.settings(),
            resume=options.resume,
            batch_size=options.batch_size,
            device=options.device,
            dtype=options.dtype,
            compiled=options.compile,
            report=session,
        )


run = console_command("dd-dub", dub_video)
