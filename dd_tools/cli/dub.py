"""dd-dub: a video or portrait and driving audio to a dubbed video, in one process."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.dub_options import DubOptions
from dd_tools.cli.output import OUTPUT, RunOptions
from dd_tools.cli.session import Session
from dd_tools.errors import UsageError

Video = Annotated[Path | None, typer.Argument(metavar="VIDEO|IMAGE", help="Video or portrait of the speaker.")]
Audio = Annotated[
    Path | None, typer.Argument(metavar="AUDIO", help="Driving audio, or a video whose audio track is used.")
]
Output = Annotated[Path | None, OUTPUT]  # a list has those of its videos
Batch = Annotated[
    Path | None,
    typer.Option(
        metavar="LIST.tsv",
        help="Dub all videos of a list, with the columns video, audio and output, and any options of one video.",
    ),
]
Shard = Annotated[
    str | None, typer.Option(metavar="I/N", help="Of the list, dub every N-th video from number I; for N machines.")
]
Log = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Append a JSON line for each video of the list: how it ended.")
]
MotionFile = Annotated[
    Path | None,
    typer.Option("--motion", metavar="MOTION.safetensors", help="Motion model weights.  [default: the shipped ones]"),
]


def dub_video(
    session: Session,
    *,
    video: Video = None,
    audio: Audio = None,
    output: Output = None,
    batch: Batch = None,
    shard: Shard = None,
    log: Log = None,
    options: DubOptions,
    motion: MotionFile = None,
    run_options: RunOptions,
) -> None:
    """Dub a video: make its speaker say what is said in the audio.

    The same as dd-prep, dd-audio, dd-encode, dd-generate and dd-render one after another. A video keeps its length
    unless --loop or --tail say otherwise; a portrait lasts as long as the audio. The metadata of the output says that
    it was altered by AI.
    """
    from dd_tools.cli.work_list import dub_list, read_items, shard_of
    from dd_tools.media.piped import as_file
    from dd_tools.pipeline.dub import Dubber

    check_arguments(video, audio, output, batch, shard, log)
    dubber = Dubber(
        run_options.renderer,
        motion,
        batch_size=run_options.batch_size,
        device=run_options.device,
        dtype=run_options.dtype,
        compiled=run_options.compile,
    )
    settings, resume = options.dub_settings(), run_options.resume
    if batch:
        items = shard_of(read_items(batch, options, session.fail), shard)
        weights = [path for path in (run_options.renderer, motion) if path]
        dub_list(session, items, dubber, weights, log, resume=resume)
        return
    with as_file(audio) as audio:
        dubber.dub(video, audio, output, settings, resume=resume, report=session)


def check_arguments(
    video: Path | None, audio: Path | None, output: Path | None, batch: Path | None, shard: str | None, log: Path | None
) -> None:
    """Raise `UsageError` unless there is either a list or a video, its audio and its output."""
    if batch and (video or audio or output):
        raise UsageError("--batch has the videos, their audio and their outputs in its list")
    if not batch and (shard or log):
        raise UsageError("--shard and --log need --batch")
    if not batch and not (video and audio and output):
        raise UsageError("expected VIDEO, AUDIO and --output, or --batch; see dd-dub --help")


run = console_command("dd-dub", dub_video)
