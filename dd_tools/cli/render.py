"""dd-render: clips and motion to a video."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.output import Output, OutputOptions, RunOptions
from dd_tools.cli.session import Session
from dd_tools.errors import UsageError

ClipFiles = Annotated[
    list[Path], typer.Argument(metavar="CLIP.h5...", help="Clip to paint, or several clips of one video.")
]
Latents = Annotated[
    list[str],
    typer.Option(metavar="MOTION.npy|-", help="Motion, 25 latents per second; one per clip. - is standard input."),
]
Audio = Annotated[Path | None, typer.Option(metavar="FILE", help="Audio track of the output.")]
Source = Annotated[
    Path | None,
    typer.Option(
        metavar="VIDEO",
        help="Video that the clip was cut from.  [default: its name, beside the clip or in the working folder]",
    ),
]
NoiseFile = Annotated[
    Path | None,
    typer.Option("--x-t", metavar="FILE.npy", help="Noise x_T (3, S, S), for diffdub renderers; replaces --seed."),
]
Frames = Annotated[str | None, typer.Option(metavar="A:B", help="Render frames A to B-1 only, without audio.")]


def render_clips(
    session: Session,
    clip_files: ClipFiles,
    output: Output,
    latents: Latents,
    options: OutputOptions,
    run_options: RunOptions,
    audio: Audio = None,
    source: Source = None,
    x_t: NoiseFile = None,
    frames: Frames = None,
) -> None:
    """Paint motion into clips and write the video.

    Frames without a usable face pass through unchanged. Several clips of one video, each with its own --latents, are
    pasted into one output. The metadata of the output says that it was altered by AI.
    """
    from dd_tools.formats.arrays import read_array, read_latents
    from dd_tools.media.piped import as_file
    from dd_tools.pipeline.output import check_target
    from dd_tools.pipeline.render import render

    part = parse_range(frames)
    if frames and audio:
        raise UsageError("--frames renders a part without audio; add it when the parts are joined")
    check_target(output)
    with as_file(audio) if audio else nullcontext() as audio:
        render(
            clip_files,
            [read_latents(file) for file in latents],
            output,
            audio=audio,
            renderer=run_options.renderer,
            source=source,
            settings=options.output_settings(part),
            batch_size=run_options.batch_size,
            device=run_options.device,
            dtype=run_options.dtype,
            compiled=run_options.compile,
            resume=run_options.resume,
            report=session,
            steps=options.steps,
            solver=options.solver,
            seed=options.seed,
            x_t=read_array(x_t, ("3", "S", "S")) if x_t else None,
        )


def parse_range(text: str | None) -> slice:
    """The value ``A:B`` of ``--frames``, in which both ends are optional, as a slice. Raises `UsageError`."""
    if text is None:
        return slice(None)
    first, colon, last = text.partition(":")
    if not colon or not all(end == "" or end.isdigit() for end in (first, last)):
        raise UsageError(f"frames must be A:B with whole numbers, got '{text}'")
    return slice(int(first) if first else None, int(last) if last else None)


run = console_command("dd-render", render_clips)
