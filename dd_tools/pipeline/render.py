"""Clips and motion to a video."""

from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import numpy as np

from dd_tools.errors import UsageError
from dd_tools.formats.clip import Clip
from dd_tools.formats.parts import parts_folder
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.audio import read_audio_blocks
from dd_tools.nn.device import AUTO, open_device
from dd_tools.pipeline.job_key import job_key
from dd_tools.pipeline.models import load_renderer
from dd_tools.pipeline.output import OutputSettings, check_target, find_source, plan_output, write_video
from dd_tools.pipeline.painting import Speaker, compile_renderer
from dd_tools.reporting import SILENT, Reporter
from dd_tools.weights import default_weights


def render(
    clips: Sequence[Path],
    latents: Sequence[np.ndarray],
    output: Path,
    *,
    audio: Path | None = None,
    renderer: Path | None = None,
    source: Path | None = None,
    settings: OutputSettings | None = None,
    batch_size: int = 8,
    device: str = "auto",
    dtype: str = AUTO,
    compiled: bool = False,
    resume: bool = False,
    report: Reporter = SILENT,
    **options: object,
) -> None:
    """Paint motion into clips of one video and write the result to `output`.

    clips: one per speaker. latents: the motion (T, Z) for each clip, 25 latents per second. audio: audio track of the
    output; None for no audio. renderer: weights file; None for the one that ships. source: the video that the clips
    were cut from; None to look for it, see `find_source`. settings: timing and encoding of the output. batch_size:
    frames painted at once, fewer if the memory is too small. device, dtype: see `open_device` and `choose_dtype`.
    compiled: whether to compile the renderer. resume: continue a killed run. options: of the renderer, such as steps;
    None is its default. Raises `DataError` for files that cannot be used, `UsageError` for options that do not fit.
    """
    settings = settings or OutputSettings()
    if len(latents) != len(clips):
        raise UsageError(f"{len(clips)} clips need as many --latents, got {len(latents)}")
    check_target(output)
    weights = renderer or default_weights("renderer")
    torch_device = open_device(device)
    model = load_renderer(weights, torch_device, dtype)
    if audio:
        for _ in read_audio_blocks(audio, channel=settings.audio_channel, on_damage=report.say):
            pass  # tells what is missing
    with ExitStack() as stack:
        opened = [stack.enter_context(Clip(path)) for path in clips]
        speakers = [
            Speaker(clip, motion, model, loop=settings.loop, tail=settings.tail, report=report, **options)
            for clip, motion in zip(opened, latents, strict=True)
        ]
        background = None if settings.crop_only else find_source(opened[0], source)
        if output.resolve() in {path.resolve() for path in (*clips, audio, background) if path}:
            raise UsageError(f"'{output}' is both input and output")
        inputs = Snapshot(audio, background)
        plan = plan_output(output, settings, source=background, audio=audio, report=report)
        motions = {f"motion {number}": motion for number, motion in enumerate(latents)}
        arithmetic = (batch_size, dtype, compiled)
        key = job_key((*clips, weights, background), (settings, _hashable(options | motions), arithmetic), device)
        folder = stack.enter_context(parts_folder(output, key, resume=resume, report=report))
        if compiled:
            compile_renderer(model, speakers, batch_size, report)
        write_video(
            speakers, output, settings, folder, source=background, plan=plan, inputs=inputs, batch_size=batch_size,
            report=report,
        )  # fmt: skip


def _hashable(options: dict[str, object]) -> list[tuple[str, object]]:
    """Options sorted by name, with arrays replaced by their hashes."""
    return [
        (name, (value.shape, sha256(value.tobytes()).hexdigest()) if isinstance(value, np.ndarray) else value)
        for name, value in sorted(options.items())
    ]
